"""Kernels and oracles as differentiable functions of JAX, on real arrays of the CPU.

They run under `jit` and `vmap`, and have derivatives of every order, forward and backward. Those of
`det` are right at singular matrices, where JAX's own are not, and end with the second, those of
`adjugate` with the first. Whoever wants float64 has to say so to JAX (``jax_enable_x64``).

The formulas, their sources and what they promise stand in `matgrad.linalg`. Refused are shapes that
do not fit (ValueError), arrays of other dtypes than float32, float64 and integers (TypeError), and
derivatives that there are not (NotImplementedError).

>>> import jax
>>> from matgrad.adapters.jax import det
>>> jax.jit(jax.grad(det))(jax.numpy.array([[1.0, 2.0], [2.0, 4.0]]))
Array([[ 4., -2.],
       [-2.,  1.]], dtype=float32)

How: a primitive of our own with rules for jit, vmap and both modes of differentiation. What was
rejected: `jax.pure_callback` hands its function arrays of JAX that a thread of JAX has yet to fill:
where all threads wait in callbacks, on one core a single one, they wait for ever.
`jax.custom_vjp` would have no forward mode, and so no `jax.hessian`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from matgrad.adapters import rules
from matgrad.adapters.oracles import flat, parts_of
from matgrad.adapters.requirement import required
from matgrad.adapters.rules import ByGradients, Differentiable, Functions, Symmetric

if TYPE_CHECKING:
    from matgrad.oracle import Oracle

jax: Any = required("jax", "jax", "JAX")
jnp: Any = required("jax.numpy", "jax", "JAX")
ad: Any = required("jax.interpreters.ad", "jax", "JAX")
batching: Any = required("jax.interpreters.batching", "jax", "JAX")
mlir: Any = required("jax.interpreters.mlir", "jax", "JAX")
core: Any = required("jax.extend.core", "jax", "JAX")

Array: TypeAlias = Any


def trace(X: Array) -> Array:
    """Return tr X for X of shape (..., n, n)."""
    return _call(rules.TRACE, X)[0]


def trace_product(A: Array, X: Array) -> Array:
    """Return tr(A X) for A of shape (..., m, n) and X of shape (..., n, m)."""
    return _call(rules.TRACE_PRODUCT, A, X)[0]


def quadratic_trace(X: Array, A: Array, Q: Array) -> Array:
    """Return tr(X A X' Q) for X of shape (..., n, m), A of (..., m, m) and Q of (..., n, n)."""
    return _call(rules.QUADRATIC_TRACE, X, A, Q)[0]


def det(X: Array) -> Array:
    """Return det X for X of shape (..., n, n)."""
    return _call(rules.DET, X)[0]


def slogdet(X: Array) -> tuple[Array, Array]:
    """Return the sign of det X and the logarithm of |det X| for X of shape (..., n, n)."""
    sign, logabsdet = _call(rules.SLOGDET, X)
    return sign, logabsdet


def inv(X: Array) -> Array:
    """Return the inverse of X, of shape (..., n, n)."""
    return _call(rules.INV, X)[0]


def adjugate(X: Array) -> Array:
    """Return adj(X) for X of shape (..., n, n), defined for every X."""
    return _call(rules.ADJUGATE, X)[0]


def function(oracle: "Oracle") -> Callable[[Array], Array]:
    """Return an oracle's value, or its residuals, as a differentiable function of x.

    Parameters
    ----------
    oracle : Oracle
        A scalar, which can be differentiated twice, or residuals, once.

    Returns
    -------
    callable
        Takes x flat or shaped, with batch axes or without.

    Examples
    --------
    >>> import jax
    >>> from matgrad import Oracle
    >>> from matgrad.adapters.jax import function
    >>> f = function(Oracle("x'*A*x", "x", A=[[2.0, 0.0], [0.0, 3.0]]))
    >>> jax.hessian(f)(jax.numpy.ones(2))
    Array([[4., 0.],
           [0., 6.]], dtype=float32)
    """
    parts = parts_of(oracle)
    of: Functions = replace(
        _FUNCTIONS,
        derivative=lambda x: _call(parts.derivative, x, of=of)[-1],
        hessian_product=lambda x, p: _product(parts.product, x, p, of=of),
    )

    def value(x: Array) -> Array:
        x = jnp.asarray(x)
        return _call(parts.value, x.reshape(flat(oracle, x.shape)), of=of)[0]

    return value


def _call(what: Differentiable, *arrays: Array, of: Functions | None = None) -> list[Array]:
    """Return the results of a function of NumPy arrays; they have the dtype of all arguments."""
    arrays = tuple(map(jnp.asarray, arrays))
    dtype = jnp.result_type(*arrays)
    if not jnp.issubdtype(dtype, jnp.floating):
        dtype = jnp.result_type(dtype, float)
    if dtype not in (jnp.float32, jnp.float64):
        raise TypeError(f"{what.name} needs arrays of float32 or float64; got {dtype}")
    results: list[Array] = _primitive.bind(
        *[X.astype(dtype) for X in arrays], what=what, of=of or _FUNCTIONS
    )
    return results


def _product(what: Differentiable, X: Array, E: Array, of: Functions | None = None) -> Array:
    """Return an operator's product, both arguments with the batch of the result.

    The transpose of an operator that repeats an argument would be another one.
    """
    fit = what.fit(X.shape, E.shape)
    shape = (*fit.batch, *fit.results[0])
    return _call(what, jnp.broadcast_to(X, shape), jnp.broadcast_to(E, shape), of=of)[0]


# ---- the rules of the primitive ----------------------------------------------------------------


def _compute(what: Differentiable, arrays: Sequence[Array]) -> list[np.ndarray[Any, Any]]:
    results = what.function(*map(np.asarray, arrays))
    return [np.asarray(Y) for Y in (results if isinstance(results, tuple) else (results,))]


def _evaluate(*arrays: Array, what: Differentiable, of: Functions) -> list[Array]:
    return [jnp.asarray(Y) for Y in _compute(what, arrays)]


def _shapes(*arrays: Any, what: Differentiable, of: Functions) -> list[Any]:
    fit = what.fit(*[X.shape for X in arrays])
    return [jax.core.ShapedArray((*fit.batch, *own), arrays[0].dtype) for own in fit.results]


def _lowered(ctx: Any, *operands: Any, what: Differentiable, of: Functions) -> Any:
    def callback(*arrays: Array) -> tuple[np.ndarray[Any, Any], ...]:
        return tuple(_compute(what, arrays))

    results, _, _ = mlir.emit_python_callback(
        ctx, callback, None, operands, ctx.avals_in, ctx.avals_out, has_side_effect=False
    )
    return results


def _batched(
    arrays: Sequence[Array], dims: Sequence[Any], *, what: Differentiable, of: Functions
) -> tuple[list[Array], list[int]]:
    """Give all arrays the new axis in front of as many batch axes as the results have.

    It gets its length even where an array has none, for the transpose of an operator must not
    meet arrays that are repeated.
    """
    (length,) = {X.shape[dim] for X, dim in zip(arrays, dims, strict=True) if dim is not None}
    led = [
        jnp.broadcast_to(X, (length, *X.shape)) if dim is None else jnp.moveaxis(X, dim, 0)
        for X, dim in zip(arrays, dims, strict=True)
    ]
    fit = what.fit(*[X.shape[1:] for X in led])
    aligned = [
        X.reshape(length, *(1,) * (len(fit.batch) + own + 1 - X.ndim), *X.shape[1:])
        for X, own in zip(led, fit.cores, strict=True)
    ]
    results = _primitive.bind(*aligned, what=what, of=of)
    return results, [0] * len(results)


def _pushed(
    arrays: Sequence[Array], tangents: Sequence[Any], *, what: Differentiable, of: Functions
) -> tuple[list[Array], list[Array]]:
    """Differentiate; det and slogdet keep the gradient of the factorisation for their value."""
    d = [None if type(dX) is ad.Zero else dX for dX in tangents]
    rule = what.rule
    if isinstance(rule, ByGradients) and what.with_gradient is not None:
        *results, G = _primitive.bind(*arrays, what=what.with_gradient, of=of)
        rule = replace(rule, gradients=(lambda of, X: G,))
    else:
        results = _primitive.bind(*arrays, what=what, of=of)
    pairs = zip(results, rule.push(of, arrays, results, d), strict=True)
    return results, [jnp.zeros_like(Y) if dY is None else dY for Y, dY in pairs]


def _transposed(
    cotangents: Sequence[Any], *arrays: Any, what: Differentiable, of: Functions
) -> list[Any]:
    """Pull through an operator, the only function that derivatives have JAX transpose."""
    if not isinstance(what.rule, Symmetric):
        raise NotImplementedError(f"there is no transpose of {what.name}; take jax.vjp")
    X, _ = arrays
    if type(cotangents[0]) is ad.Zero:
        return [None, cotangents[0]]
    return list(what.rule.pull(of, [X, None], [], cotangents, (False, True)))


_primitive: Any = core.Primitive("matgrad")
_primitive.multiple_results = True
_primitive.def_impl(_evaluate)
_primitive.def_abstract_eval(_shapes)
mlir.register_lowering(_primitive, _lowered)
batching.primitive_batchers[_primitive] = _batched
ad.primitive_jvps[_primitive] = _pushed
ad.primitive_transposes[_primitive] = _transposed

_FUNCTIONS = Functions(
    lambda X: jnp.eye(X.shape[-1], dtype=X.dtype),
    inv,
    adjugate,
    lambda X, E: _product(rules.HESSIAN_OF_DET, X, E),
)
