"""Kernels and oracles as differentiable functions of PyTorch, on real tensors of the CPU.

They have batch axes, run under `torch.func.vmap`, and have derivatives of every order, backward and
forward, but PyTorch cannot nest forward modes in them. Those of `det` are right at singular
matrices, where PyTorch's own are not, and end with the second, those of `adjugate` with the first.
Tracers, such as `torch.func.linearize` and `make_fx`, record them as calls; `torch.compile` breaks
its graph around them, which it cannot within transforms of `torch.func`.

The formulas, their sources and what they promise stand in `matgrad.linalg`. Refused are shapes that
do not fit (ValueError), tensors that are complex or not on the CPU (TypeError), and
derivatives that there are not (NotImplementedError).

>>> import torch
>>> from matgrad.adapters.torch import det
>>> X = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
>>> det(X).backward()
>>> X.grad
tensor([[ 4., -2.],
        [-2.,  1.]], dtype=torch.float64)
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from matgrad.adapters import rules
from matgrad.adapters.oracles import flat, parts_of
from matgrad.adapters.requirement import required
from matgrad.adapters.rules import Differentiable, Functions
from matgrad.adapters.signature import Lengths

if TYPE_CHECKING:
    from matgrad.oracle import Oracle

torch: Any = required("torch", "torch", "PyTorch")

Tensor: TypeAlias = Any
Call: TypeAlias = Callable[..., tuple[Tensor, ...]]


def trace(X: Tensor) -> Tensor:
    """Return tr X for X of shape (..., n, n)."""
    return _trace(X)[0]


def trace_product(A: Tensor, X: Tensor) -> Tensor:
    """Return tr(A X) for A of shape (..., m, n) and X of shape (..., n, m)."""
    return _trace_product(A, X)[0]


def quadratic_trace(X: Tensor, A: Tensor, Q: Tensor) -> Tensor:
    """Return tr(X A X' Q) for X of shape (..., n, m), A of (..., m, m) and Q of (..., n, n)."""
    return _quadratic_trace(X, A, Q)[0]


def det(X: Tensor) -> Tensor:
    """Return det X for X of shape (..., n, n)."""
    return _det(X)[0]


def slogdet(X: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sign of det X and the logarithm of |det X| for X of shape (..., n, n)."""
    sign, logabsdet = _slogdet(X)[:2]
    return sign, logabsdet


def inv(X: Tensor) -> Tensor:
    """Return the inverse of X, of shape (..., n, n)."""
    return _inv(X)[0]


def adjugate(X: Tensor) -> Tensor:
    """Return adj(X) for X of shape (..., n, n), defined for every X."""
    return _adjugate(X)[0]


def function(oracle: "Oracle") -> Callable[[Tensor], Tensor]:
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
    >>> import torch
    >>> from matgrad import Oracle
    >>> from matgrad.adapters.torch import function
    >>> f = function(Oracle("x'*A*x", "x", A=[[2.0, 0.0], [0.0, 3.0]]))
    >>> torch.func.grad(f)(torch.tensor([1.0, 1.0], dtype=torch.float64))
    tensor([4., 6.], dtype=torch.float64)
    """
    parts = parts_of(oracle)
    of: Functions = replace(
        _FUNCTIONS,
        derivative=lambda x: derivative(x)[-1],
        hessian_product=lambda x, p: product(x, p)[0],
    )
    call: Call = _differentiable(parts.value, of)
    derivative: Call = _differentiable(parts.derivative, of)
    product: Call = _differentiable(parts.product, of)

    def value(x: Tensor) -> Tensor:
        x = torch.as_tensor(x)
        return call(x.reshape(flat(oracle, tuple(x.shape))))[0]

    return _left_alone(value)


def _differentiable(what: Differentiable, of: Functions | None = None) -> Call:
    """Return a function of NumPy arrays as one of PyTorch, with a tuple of results.

    Where it is recorded, its gradient may follow them, of the same factorisation.
    """
    call = _function(what, of)
    recorded = call if what.with_gradient is None else _function(what.with_gradient, of)

    def either(*inputs: Tensor) -> tuple[Tensor, ...]:
        inputs = _of_one_dtype(inputs)
        is_recorded = torch.is_grad_enabled() and inputs[0].requires_grad
        return (recorded if is_recorded else call)(*inputs)

    return _left_alone(either)


def _function(what: Differentiable, of: Functions | None) -> Call:
    def forward(*inputs: Tensor) -> tuple[Tensor, ...]:
        if torch._C._len_torch_dispatch_stack():
            return _traced(call, inputs)
        results = what.function(*[_array(what.name, X) for X in inputs])
        results = results if isinstance(results, tuple) else (results,)
        return tuple(torch.from_numpy(np.asarray(each)) for each in results)

    def setup_context(ctx: Any, inputs: Sequence[Tensor], results: Sequence[Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *results)
        ctx.save_for_forward(*inputs, *results)
        ctx.split = len(inputs)

    def backward(ctx: Any, *g: Tensor) -> tuple[Tensor, ...]:
        if all(each is None for each in g):
            return tuple([None] * ctx.split)
        inputs, results = ctx.saved_tensors[: ctx.split], ctx.saved_tensors[ctx.split :]
        wanted = [_is_asked_for(node) for node, _ in ctx.next_functions]
        found = what.rule.pull(of or _FUNCTIONS, inputs, results, g, wanted)
        pairs = zip(inputs, found, strict=True)
        return tuple(None if G is None else G.sum_to_size(X.shape) for X, G in pairs)

    def jvp(ctx: Any, *d: Tensor) -> tuple[Tensor, ...]:
        inputs, results = ctx.saved_tensors[: ctx.split], ctx.saved_tensors[ctx.split :]
        _refuse_nested(what.name)
        found = what.rule.push(of or _FUNCTIONS, inputs, results, d)
        pairs = zip(results, found, strict=True)
        return tuple(torch.zeros_like(Y) if dY is None else dY for Y, dY in pairs)

    def vmap(info: Any, dims: Sequence[int | None], *inputs: Tensor) -> tuple[Any, Any]:
        fit = what.fit(*[_without(X.shape, dim) for X, dim in zip(inputs, dims, strict=True)])
        triples = zip(inputs, dims, fit.cores, strict=True)
        results = call(
            *[X if dim is None else _led(X, dim, len(fit.batch) + core) for X, dim, core in triples]
        )
        return results, (0,) * len(results)

    methods = (forward, setup_context, backward, jvp, vmap)
    members = {method.__name__: staticmethod(method) for method in methods}
    made: Any = type(what.name, (torch.autograd.Function,), members)
    call: Call = made.apply
    return call


def _traced(call: Call, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Call by an operator of PyTorch, which a tracer sees.

    It would take what comes from NumPy for a constant. Its graph needs the function as long as it
    lives, which nobody tells, so that what has been traced once is kept.
    """
    if call not in _TRACED:
        _TRACED.append(call)
    with torch._C._AutoDispatchBelowAutograd():
        return tuple(torch.ops.matgrad.call(_TRACED.index(call), inputs))


def _replayed(place: int, inputs: Sequence[Tensor]) -> list[Tensor]:
    return list(_TRACED[place](*inputs))


_TRACED: list[Call] = []
_library = torch.library.Library("matgrad", "FRAGMENT")
_library.define("call(int place, Tensor[] inputs) -> Tensor[]")
_library.impl("call", _replayed, "CPU")
_library.impl("call", _replayed, "AutogradCPU")  # where a graph is differentiated


def _left_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that `torch.compile` does not look into: its graph breaks around the call.

    It reads Python line by line, and would follow the call into NumPy. PyTorch's own way is
    `torch.compiler.disable`, which loads the whole compiler, and takes seconds where nobody has
    loaded it yet.
    """
    kept: list[Callable[..., Any]] = []

    def called(*inputs: Tensor) -> Any:
        if "torch._dynamo" not in sys.modules:
            return function(*inputs)
        if not kept:
            kept.append(torch.compiler.disable(function))
        return kept[0](*inputs)

    called._torchdynamo_disable = True  # type: ignore[attr-defined]
    return called


def _of_one_dtype(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors in the dtype of the results, for rules multiply them by one another.

    It is that of the kernels, which take whole numbers for float64.
    """
    inputs = [torch.as_tensor(X) for X in inputs]
    dtypes = [X.dtype if X.is_floating_point() or X.is_complex() else torch.float64 for X in inputs]
    dtype = reduce(torch.promote_types, dtypes)
    return tuple(X.to(dtype) for X in inputs)


def _array(name: str, X: Tensor) -> np.ndarray[Any, Any]:
    if X.device.type != "cpu" or X.is_complex():
        what = "complex" if X.is_complex() else f"on {X.device}"
        raise TypeError(f"{name} needs real tensors on the CPU; got one that is {what}")
    array: np.ndarray[Any, Any] = X.detach().resolve_neg().numpy()
    return array


def _is_asked_for(node: Any) -> bool:
    """Return whether the gradient that goes to a node of the graph is used.

    ``needs_input_grad`` says no more than that an argument has one. `torch.autograd.functional.hvp`
    asks for the derivative of a Hessian product along its direction, where that by X may not exist.
    """
    try:
        return node is not None and bool(torch._C._will_engine_execute_node(node))
    except RuntimeError:  # it does not answer for leaves that are asked for
        return True


def _refuse_nested(name: str) -> None:
    """Refuse forward mode within forward mode, where PyTorch loses tangents: its issue 197867."""
    stack = torch._C._functorch.get_interpreter_stack() or []
    if sum(each.key().name == "Jvp" for each in stack) > 1:
        raise NotImplementedError(
            f"PyTorch cannot nest forward modes through {name}; take jacfwd of jacrev, its hessian"
        )


def _without(shape: Sequence[int], dim: int | None) -> Lengths:
    return tuple(length for k, length in enumerate(shape) if k != dim)


def _led(X: Tensor, dim: int, count: int) -> Tensor:
    """Return X with an axis in front, and so many behind it."""
    X = X.movedim(dim, 0)
    return X.reshape(X.shape[0], *(1,) * (count + 1 - X.ndim), *X.shape[1:])


def _eye(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype)


_trace = _differentiable(rules.TRACE)
_trace_product = _differentiable(rules.TRACE_PRODUCT)
_quadratic_trace = _differentiable(rules.QUADRATIC_TRACE)
_det = _differentiable(rules.DET)
_slogdet = _differentiable(rules.SLOGDET)
_inv = _differentiable(rules.INV)
_adjugate = _differentiable(rules.ADJUGATE)
_hessian_of_det = _differentiable(rules.HESSIAN_OF_DET)

_FUNCTIONS = Functions(_eye, inv, adjugate, lambda X, E: _hessian_of_det(X, E)[0])
