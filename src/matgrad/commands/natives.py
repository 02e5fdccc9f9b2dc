"""The native functions, each with its judge in NumPy and the error that rounding may cause.

Arguments are drawn so that nothing but rounding comes between a right result and the judge's:

- sums of products (the traces) take entries of random sign and of size 1/2 to 2. Their errors are
  measured against the same sum of absolute values, as the bounds of rounding errors are
  (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.1);
- factorisations take X = U diag(s) V' with random orthogonal U and V and s between 1/2 and 2: the
  condition number is at most 4, and pivots are not on the diagonal. Their errors are measured
  against the largest entry of the result.

A sum of k rounded terms errs by no more than t sqrt(k) u, except with a probability below
2 exp(-t^2/2) (Higham and Mary, SIAM J. Sci. Comput. 41 (2019) A2815-A2835). With t = 4 for the
native function and again for the judge, that makes 8 sqrt(k) u; the roots of sums within sums add
up. An LU factorisation commits sqrt(n) of these in every entry, and the n pivots bring one each
into the determinant: 8 n u. In float32 up to n = 4 a factorisation is computed in float64 and
rounded at the end: 1 u beside the error of float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from matgrad import linalg

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]


@dataclass(frozen=True)
class Native:
    """A native function and what judges it.

    Attributes
    ----------
    name
        Its name in `matgrad.linalg`.
    sample
        Draws arguments: sample(batch, n, dtype).
    judge
        The same function by NumPy's fastest idiom.
    scale
        What the errors of the outputs are measured against: scale(native, arguments, outputs).
    rounding
        The error that rounding may cause, in units of u: rounding(n, dtype).
    slope
        How differences judge the last output, the gradient by the first argument; or None.
    """

    name: str
    sample: Callable[[int, int, str], Arrays]
    judge: Callable[..., Array | Arrays]
    scale: Callable[["Native", Arrays, Arrays], Arrays]
    rounding: Callable[[int, str], float]
    slope: "Slope | None" = None

    def __call__(self, *arguments: Array) -> Arrays:
        """Return the native function's outputs."""
        return _as_tuple(getattr(linalg, self.name)(*arguments))

    def judged(self, *arguments: Array) -> Arrays:
        """Return the judge's outputs."""
        return _as_tuple(self.judge(*arguments))


@dataclass(frozen=True)
class Slope:
    """A native function's value, whose central differences judge the gradient.

    Attributes
    ----------
    value
        The value, as a function of the arguments.
    step
        A power of two. It is large where differences have no truncation error: det is affine in
        each entry, quadratic_trace quadratic.
    truncation
        The truncation error of a difference over g, if g is the gradient's largest entry:
        truncation(step * g).
    """

    value: Callable[..., Array]
    step: float = 2.0**-3
    truncation: Callable[[Array], Array] = np.zeros_like


def _as_tuple(outputs: Array | Arrays) -> Arrays:
    return outputs if isinstance(outputs, tuple) else (outputs,)


# Arguments: the same for every function, however often they are asked for.


def _square(batch: int, n: int, dtype: str) -> Arrays:
    return (_entries(batch, n, n, dtype),)


def _product(batch: int, n: int, dtype: str) -> Arrays:
    """Draw A and X, of which neither is square."""
    return _entries(batch, n + 1, n, dtype), _entries(batch, n, n + 1, dtype)


def _quadratic(batch: int, n: int, dtype: str) -> Arrays:
    """Draw X, which is not square, A and Q."""
    X = _entries(batch, n, n + 1, dtype)
    return X, _entries(batch, n + 1, n + 1, dtype), _entries(batch, n, n, dtype)


@cache
def _entries(batch: int, rows: int, columns: int, dtype: str) -> Array:
    rng = np.random.default_rng([rows, columns])
    shape = (batch, rows, columns)
    return np.copysign(rng.uniform(0.5, 2, shape), rng.standard_normal(shape)).astype(dtype)


@cache
def _well_conditioned(batch: int, n: int, dtype: str) -> Arrays:
    rng = np.random.default_rng(n)
    U, V = np.linalg.qr(rng.standard_normal((2, batch, n, n))).Q
    X: Array = U * rng.uniform(0.5, 2, (batch, 1, n)) @ V.mT
    return (X.astype(dtype),)


# What errors are measured against, and how large rounding may make them.


def _absolute_values(native: Native, arguments: Arrays, outputs: Arrays) -> Arrays:
    return native.judged(*map(np.abs, arguments))


def _largest_entry(native: Native, arguments: Arrays, outputs: Arrays) -> Arrays:
    return tuple(
        np.abs(output).max(axis=tuple(range(1, output.ndim)), keepdims=True) for output in outputs
    )


def _logarithm(native: Native, arguments: Arrays, outputs: Arrays) -> Arrays:
    """Measure log det by 1, as the relative error of det is, and by itself: it is rounded, too."""
    sign, logabsdet, *gradient = _largest_entry(native, arguments, outputs)
    return sign, 1 + logabsdet, *gradient


def _sum(n: int, dtype: str) -> float:
    return 8 * sqrt(n)


def _sum_of_products(n: int, dtype: str) -> float:
    return 8 * sqrt(n * (n + 1))


def _sums_within_sums(n: int, dtype: str) -> float:
    return 8 * (sqrt(n) + sqrt(n + 1) + sqrt(n * (n + 1)))


def _factorisation(n: int, dtype: str) -> float:
    return 1 + 8 * n * 2.0**-29 if dtype == "float32" and n <= 4 else 8 * n


# The judges that take more than one call.


def _adjugate(X: Array) -> Arrays:
    return (np.linalg.det(X)[..., None, None] * np.linalg.inv(X),)


def _det_and_gradient(X: Array) -> Arrays:
    det = np.linalg.det(X)
    return det, det[..., None, None] * np.linalg.inv(X).mT


def _slogdet_and_gradient(X: Array) -> Arrays:
    return *np.linalg.slogdet(X), np.linalg.inv(X).mT


def _quadratic_trace(X: Array, A: Array, Q: Array) -> Arrays:
    return (np.einsum("...ij,...ij->...", X @ A, Q.mT @ X),)


def _quadratic_trace_and_gradient(X: Array, A: Array, Q: Array) -> Arrays:
    XA, QX = X @ A, Q.mT @ X
    return np.einsum("...ij,...ij->...", XA, QX), QX @ A.mT + Q @ XA


NATIVES = (
    Native("trace", _square, lambda X: np.einsum("...ii->...", X), _absolute_values, _sum),
    Native(
        "trace_product",
        _product,
        lambda A, X: np.einsum("...ij,...ji->...", A, X),
        _absolute_values,
        _sum_of_products,
    ),
    Native("quadratic_trace", _quadratic, _quadratic_trace, _absolute_values, _sums_within_sums),
    Native(
        "quadratic_trace_and_gradient",
        _quadratic,
        _quadratic_trace_and_gradient,
        _absolute_values,
        _sums_within_sums,
        Slope(lambda X, A, Q: linalg.quadratic_trace(X, A, Q)),
    ),
    Native("det", _well_conditioned, np.linalg.det, _largest_entry, _factorisation),
    Native("slogdet", _well_conditioned, np.linalg.slogdet, _logarithm, _factorisation),
    Native("inv", _well_conditioned, np.linalg.inv, _largest_entry, _factorisation),
    Native("adjugate", _well_conditioned, _adjugate, _largest_entry, _factorisation),
    Native(
        "det_and_gradient",
        _well_conditioned,
        _det_and_gradient,
        _largest_entry,
        _factorisation,
        Slope(lambda X: linalg.det(X)),
    ),
    Native(
        "slogdet_and_gradient",
        _well_conditioned,
        _slogdet_and_gradient,
        _logarithm,
        _factorisation,
        # log det(X + hE) - log det(X - hE) = 2 artanh(hg) = 2hg (1 + (hg)^2/3 + ...), det being
        # affine; at h = u^(1/3) that is about as much as rounding.
        Slope(lambda X: linalg.slogdet(X)[1], 2.0**-17, lambda reach: reach**2 / 3),
    ),
)
