"""Judges of the kernels: exact and many-digit arithmetic, and bounds from rounding error analysis.

Nothing here comes from matgrad. Bounds that hold for every matrix, singular ones too, rest on this:
Gaussian elimination returns the exact result for a matrix whose columns are perturbed by a small
multiple of n u times their size (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
theorem 9.3), and a determinant is at most the product of the norms of the columns (Hadamard).
"""

from fractions import Fraction
from math import lcm
from typing import Any

import mpmath
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]

DIGITS = 60


def unit_roundoff(dtype: DTypeLike) -> float:
    """Return u, the largest relative error of one rounding."""
    return float(np.finfo(dtype).eps) / 2


def rationals(X: Array) -> Array:
    """Return the numbers of an array as exact fractions."""
    return np.asarray(np.vectorize(Fraction, otypes=[object])(X))


def exact_det_and_adjugate(X: Array) -> tuple[Fraction, Array]:
    """Return det X and adj X without a rounding, by the recurrence of Faddeev and Le Verrier.

    Gantmacher, The Theory of Matrices, vol. 1, ch. IV, section 5; in integers, since 2^k X is one.
    """
    n = len(X)
    fractions = rationals(X)
    scale = lcm(*(x.denominator for x in fractions.flat))
    A = np.vectorize(int, otypes=[object])(fractions * scale)
    identity = np.eye(n, dtype=int).astype(object)
    M, c = 0 * identity, 1
    for k in range(1, n + 1):
        M = A @ M + c * identity
        c = -(A @ M).trace() // k
    sign = (-1) ** n
    return Fraction(sign * c, scale**n), -sign * M * Fraction(1, scale ** max(n - 1, 0))


def det_and_inverse(X: Array) -> tuple[mpmath.mpf, Array]:
    """Return det X and its inverse to sixty digits."""
    with mpmath.workdps(DIGITS):
        A = mpmath.matrix(X.tolist())
        return mpmath.det(A), np.array((A**-1).tolist(), dtype=object)


def relative_error(got: Any, exact: Any) -> float:
    """Return the error of a number, relative to its exact value."""
    with mpmath.workdps(DIGITS):
        return float(abs(_number(got) - _number(exact)) / abs(_number(exact)))


def normwise_error(got: Array, exact: Array) -> float:
    """Return the error of a matrix, relative to its exact value, in the Frobenius norm."""
    with mpmath.workdps(DIGITS):
        expected = [_number(x) for x in exact.flat]
        errors = [_number(x) - y for x, y in zip(got.flat, expected, strict=True)]
        return float(mpmath.norm(errors) / mpmath.norm(expected))


def _number(x: Any) -> Any:
    """Return a number with all the digits that it has or that mpmath keeps."""
    if isinstance(x, Fraction):
        return mpmath.mpf(x.numerator) / x.denominator
    return mpmath.mpmathify(x.item() if isinstance(x, np.generic) else x)


def column_norms(X: Array) -> Array:
    """Return the Euclidean norms of the columns, in float64."""
    return np.asarray(np.linalg.norm(X.astype(np.result_type(X, np.float64)), axis=-2))


def det_bound(X: Array) -> Array:
    """Return a bound of the rounding error of det X, for every X."""
    n = X.shape[-1]
    return np.asarray(4 * n**2 * unit_roundoff(X.dtype) * column_norms(X).prod(axis=-1))


def adjugate_bound(X: Array) -> Array:
    """Return a bound of the rounding error of adj X, a column with an entry for each row.

    Row i of the adjugate holds the minors without column i.
    """
    n = X.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1.0, column_norms(X)[..., None, :])
    return np.asarray(8 * n**2 * unit_roundoff(X.dtype) * others.prod(axis=-1)[..., None])


def condition(X: Array, inverse: Array) -> Array:
    """Return the condition numbers of a batch of matrices in the Frobenius norm."""
    norms = (np.linalg.norm(A.astype(np.complex128), axis=(-2, -1)) for A in (X, inverse))
    return np.asarray(np.multiply(*norms))


def conditioned_tolerance(X: Array, inverse: Array) -> Array:
    """Return how far off, relatively, elimination may put the determinant and the inverse of X."""
    return np.asarray(4 * X.shape[-1] * unit_roundoff(X.dtype) * condition(X, inverse))


def assert_close(got: ArrayLike, expected: ArrayLike, bound: ArrayLike) -> None:
    """Assert that the results deviate by no more than an absolute bound, entry by entry."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    excess = np.abs(got - expected) - bound
    assert (excess <= 0).all(), f"off by up to {np.nanmax(excess):.3g} more than the bound allows"


def assert_same_bits(got: Any, expected: Any) -> None:
    """Assert that all results are equal bit for bit; any NaN counts as any other."""
    for x, y in zip(_tuple(got), _tuple(expected), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y, strict=True)
        for part, other in ((x.real, y.real), (x.imag, y.imag)):
            known = ~np.isnan(part)
            np.testing.assert_array_equal(np.signbit(part[known]), np.signbit(other[known]))


def _tuple(results: Any) -> tuple[Array, ...]:
    return tuple(map(np.asarray, results if isinstance(results, tuple) else (results,)))
