"""The operations of programs on NumPy arrays of shape (..., rows, columns).

All but `transpose` and `vec` return new arrays: the executor writes into them when it may.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad import linalg
from matgrad._native import kernels
from matgrad.expression.elementwise import softplus_and_derivative, softplus_and_sigmoid
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.matrix_functions import cosm, expm, sinm
from matgrad.expression.program import Attribute

Array: TypeAlias = NDArray[Any]

# Up to this size the kernels' inverse is a closed form in double-double: more accurate than
# LAPACK's solve, and much faster in a batch.
LARGEST_CLOSED_FORM = 4

# Matrices up to LARGEST_MULTIPLIED are multiplied by a kernel, which takes half of the time of
# NumPy's BLAS at n = 32 to 256 (Zen 5; as long on Zen 4); a pair alone from SMALLEST_ALONE
# multiply-adds on, below which a call costs more than it spares: 50 x 12 by 12 x 50 takes 1.3 times
# the time of np.dot.
LARGEST_MULTIPLIED, SMALLEST_ALONE = 256, 40000

# Batches of more numbers are added by BLAS, and their inner products formed by einsum.
LARGE, SMALL = 2048, 64


def factorisation(wanted: Sequence[Attribute]) -> Callable[[Array], Sequence[Array]]:
    """Return what gives det, logdet, inverse or adjugate, as they are wanted, by one kernel.

    A determinant beside an inverse is sign * exp(logarithm), which loses as many units in the last
    place as the logarithm is large: the kernel that carries it exactly does not give the inverse.
    """
    names = [str(each) for each in wanted]
    kernel, given = next(each for each in FACTORISATIONS if {*names} <= each[1].keys())
    results = [given[name] for name in names]

    def factorise(A: Array) -> list[Array]:
        found = kernel(A)
        return [result(found) for result in results]

    return factorise


def _logdet(found: Any) -> Array:
    """Return log|det|, its analytic continuation if complex: log(det) or log(-det), the nearer."""
    sign, logarithm = found[0], found[1]
    if sign.dtype.kind == "c":
        logarithm = logarithm + 1j * np.angle(np.where(sign.real < 0, -sign, sign))
    return _scalar(logarithm)


def _det_by_logarithm(found: Any) -> Array:
    return _scalar(found[0] * np.exp(found[1]))


# What kernels give, those that do least first.
FACTORISATIONS: Sequence[tuple[Callable[[Array], Any], Mapping[str, Callable[[Any], Array]]]] = (
    (linalg.det, {"det": lambda found: _scalar(found)}),
    (linalg.slogdet, {"logdet": _logdet, "det": _det_by_logarithm}),
    (linalg.inv, {"inverse": lambda found: found}),
    (linalg.adjugate, {"adjugate": lambda found: found}),
    (
        linalg.det_and_gradient,
        {"det": lambda found: _scalar(found[0]), "adjugate": lambda found: found[1].mT},
    ),
    (
        kernels.slogdet_and_inverse,
        {
            "logdet": _logdet,
            "det": _det_by_logarithm,
            "inverse": lambda found: found[2],
        },
    ),
)


def _product(A: Array, B: Array) -> Array:
    """Return A B, by the kernel or by one large product."""
    if A.ndim == 2 == B.ndim:
        if A.size * B.shape[-1] >= SMALLEST_ALONE and B.shape[-1] > 1 < len(A) and _fit(A, B):
            return np.asarray(kernels.matmul(A, B))
        # The same product as matmul's, with half the overhead.
        return np.asarray(np.dot(A, B))
    if not (A.size and B.size):
        return np.asarray(np.matmul(A, B))
    if B.shape[-1] == 1:
        return _product_of_vectors(A, B)
    if _fit(A, B):
        return np.asarray(kernels.matmul(A, B))
    if B.ndim == 2 and A.flags.c_contiguous:
        return (A.reshape(-1, A.shape[-1]) @ B).reshape(*A.shape[:-1], B.shape[-1])
    return np.asarray(np.matmul(A, B))


def _product_of_vectors(A: Array, B: Array) -> Array:
    """Return A B for B with one column; einsum is the fastest for many inner products."""
    if A.ndim == 2:
        columns = B.reshape(-1, B.shape[-2]) @ A.T
        return columns.reshape(*B.shape[:-2], len(A), 1)
    if B.ndim == 2 and A.flags.c_contiguous:
        return (A.reshape(-1, A.shape[-1]) @ B).reshape(*A.shape[:-1], 1)
    if A.shape[-2] == 1 and A.size + B.size > LARGE and A.shape[-1] <= SMALL:
        return np.asarray(np.einsum("...ij,...jk->...ik", A, B))
    if max(A.shape[-2:]) <= SMALL and _fit(A, B):
        return np.asarray(kernels.matmul(A, B))
    return np.asarray(np.matmul(A, B))


def _fit(A: Array, B: Array) -> bool:
    """Return whether the kernel multiplies A by B."""
    return (
        A.dtype.char in "fd"
        and B.dtype.char in "fd"
        and max(*A.shape[-2:], *B.shape[-2:]) <= LARGEST_MULTIPLIED
    )


def _solve(A: Array, B: Array) -> Array:
    """Return inv(A) B; as with an inverse, NaN where A is singular and for no other matrix."""
    if A.shape[-1] <= LARGEST_CLOSED_FORM:
        return _product(linalg.inv(A), B)
    try:
        if A.ndim == 2 and B.ndim > 2:
            # NumPy would factorise A for every right-hand side.
            columns = np.linalg.solve(A, np.moveaxis(B, -2, 0).reshape(len(A), -1))
            return np.moveaxis(columns.reshape(len(A), *B.shape[:-2], B.shape[-1]), 0, -2)
        return np.linalg.solve(A, B)
    except np.linalg.LinAlgError:
        return _product(linalg.inv(A), B)


def _trace_product(A: Array, B: Array) -> Array:
    """Return tr(A B): of two matrices alone that lie alike in memory, by BLAS's inner product."""
    if A.ndim == 2 == B.ndim:
        a, b = A.flags, B.flags
        if a.f_contiguous and b.c_contiguous:
            return np.asarray(np.dot(A.T.reshape(1, -1), B.reshape(-1, 1)))
        if a.c_contiguous and b.f_contiguous:
            return np.asarray(np.dot(A.reshape(1, -1), B.T.reshape(-1, 1)))
    return _scalar(linalg.trace_product(A, B))


def _quadratic_trace(X: Array, A: Array, Q: Array) -> Array:
    """Return tr(X A X' Q), for complex numbers without the kernel, which is for real ones."""
    if X.dtype.kind == "c":
        return _scalar(linalg.trace_product(_product(X, A), _product(_transpose(X), Q)))
    return _scalar(linalg.quadratic_trace(X, A, Q))


def _quadratic_trace_and_gradient(X: Array, A: Array, Q: Array) -> tuple[Array, Array]:
    """Return tr(X A X' Q) and Q X A + Q'X A', of complex numbers without the kernel, too."""
    if X.dtype.kind == "c":
        first = _product(Q, _product(X, A))
        second = _product(_transpose(Q), _product(X, _transpose(A)))
        return _quadratic_trace(X, A, Q), first + second
    value, gradient = linalg.quadratic_trace_and_gradient(X, A, Q)
    return _scalar(value), gradient


def _matrix_power(A: Array, k: Array) -> Array:
    """Return A^k for exponents that are known only now, each in all its places at once."""
    exponents = np.unique(k)
    for value in exponents:
        if value.imag or not float(value.real).is_integer():
            raise ValueError(f"the exponent of a matrix power must be an integer; got {value}")
    batch = np.broadcast_shapes(A.shape[:-2], k.shape[:-2])
    result = np.empty((*batch, *A.shape[-2:]), A.dtype)
    everywhere, places = np.broadcast_to(A, result.shape), np.broadcast_to(k[..., 0, 0], batch)
    for value in exponents:
        here, exponent = places == value, int(value.real)
        base = everywhere[here]
        base = base if exponent >= 0 else linalg.inv(base)
        result[here] = np.linalg.matrix_power(base, abs(exponent))
    return result


def _sum(A: Array) -> Array:
    """Return the sum of all elements: for a batch of small matrices a product with ones by BLAS.

    NumPy's sum takes 25 ns for a matrix of 50 numbers, this one 7.
    """
    m, n = A.shape[-2:]
    if A.ndim > 2 and A.dtype.kind == "f" and A.size > LARGE and m * n <= SMALL**2:
        return _scalar(A.reshape(*A.shape[:-2], m * n) @ np.ones(m * n, A.dtype))
    return np.asarray(A.sum(axis=(-2, -1), keepdims=True))


def _norm(A: Array) -> Array:
    """Return the Frobenius norm, also where squares over- or underflow."""
    with np.errstate(over="ignore", under="ignore"):
        squares = _squared_norm(A)
    limits = np.finfo(squares.dtype)
    if np.all((squares > limits.tiny / limits.eps) & (squares < limits.max)):
        return np.sqrt(squares, out=squares)
    largest = np.max(np.abs(A), axis=(-2, -1), keepdims=True, initial=0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1)
    return np.asarray(scale * np.sqrt(_squared_norm(A / scale)))


def _squared_norm(A: Array) -> Array:
    if A.ndim == 2 and A.dtype.kind == "f":
        return np.asarray(np.dot(A.reshape(1, -1), A.reshape(-1, 1)))
    entries = A.reshape(*A.shape[:-2], A.shape[-2] * A.shape[-1])
    return _scalar(np.vecdot(entries, entries).real)


def _kron(A: Array, B: Array) -> Array:
    blocks = A[..., :, None, :, None] * B[..., None, :, None, :]
    *batch, m, p, n, q = blocks.shape
    return blocks.reshape(*batch, m * p, n * q)


def _vec(A: Array) -> Array:
    return _transpose(A).reshape(*A.shape[:-2], A.shape[-2] * A.shape[-1], 1)


def _diagonal(A: Array) -> Array:
    return np.diagonal(A, axis1=-2, axis2=-1)[..., None].copy()


def _diagonal_matrix(x: Array) -> Array:
    n = x.shape[-2]
    D = np.zeros((*x.shape[:-1], n), x.dtype)
    D[..., np.arange(n), np.arange(n)] = x[..., 0]
    return D


def _transpose(A: Array) -> Array:
    return A.mT


def _scalar(values: Any) -> Array:
    """Return one number a point as a 1 x 1 matrix a point."""
    scalars: Array = values[..., None, None]
    return scalars


CONSTANTS: Mapping[str, Callable[..., Array]] = {
    "identity": lambda dtype, n: np.eye(n, dtype=dtype),
    "fill": lambda dtype, value, rows, columns: np.full((rows, columns), value, dtype),
}

UFUNCS: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "negative": np.negative,
    "conj": np.conjugate,
    **{
        name: function.elementwise
        for name, function in FUNCTIONS.items()
        if isinstance(function.elementwise, np.ufunc)
    },
}

# What has several results.
PAIRS: Mapping[str, Callable[..., Sequence[Array]]] = {
    "softplus_and_sigmoid": softplus_and_sigmoid,
    "softplus_and_derivative": softplus_and_derivative,
    "quadratic_trace_and_gradient": _quadratic_trace_and_gradient,
}

OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "transpose": _transpose,
    "product": _product,
    "solve": _solve,
    "matrix_power": _matrix_power,
    "expm": expm,
    "sinm": sinm,
    "cosm": cosm,
    "trace": lambda A: _scalar(linalg.trace(A)),
    "trace_product": _trace_product,
    "quadratic_trace": _quadratic_trace,
    "quadratic_trace_gradient": lambda X, A, Q: _quadratic_trace_and_gradient(X, A, Q)[1],
    "sum": _sum,
    "norm": _norm,
    "squared_norm": _squared_norm,
    "norm1": lambda A: np.abs(A).sum(axis=(-2, -1), keepdims=True),
    "diagonal": _diagonal,
    "diagonal_matrix": _diagonal_matrix,
    "vec": _vec,
    "kron": _kron,
    **{
        name: function.elementwise
        for name, function in FUNCTIONS.items()
        if function.elementwise is not None and name not in UFUNCS
    },
}
