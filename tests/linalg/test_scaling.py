"""Badly scaled matrices: rows and columns scaled apart by powers of two, entries scattered over the
whole range. The judge is exact rational arithmetic.

Up to 4 x 4 any finite matrix has the right determinant; from 5 x 5 on, where rounding errors are
relative to the rows and columns, any scaling of these does no harm.
"""

from fractions import Fraction
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matgrad._native import instruction_sets, load
from tests.linalg.judges import exact_det_and_adjugate, unit_roundoff
from tests.linalg.samples import Array

FAR = {np.float32: 56, np.float64: 560}
CLOSED = 4

precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
sizes = pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 9])
scalings = pytest.mark.parametrize("scaling", ["rows", "columns", "both", "random"])


def scaled(rng: np.random.Generator, n: int, dtype: type[np.floating], scaling: str) -> Array:
    """Return a matrix whose rows and columns have been multiplied by powers of two."""
    far = FAR[dtype]
    apart = rng.permutation(np.resize([far, -far], (2, n)), axis=1)
    rows, columns = rng.integers(-far // 2, far // 2, (2, n)) if scaling == "random" else apart
    rows = np.zeros_like(rows) if scaling == "columns" else rows
    columns = np.zeros_like(columns) if scaling == "rows" else columns
    if scaling == "both":
        columns = columns // 2
    X = rng.normal(size=(n, n)).astype(dtype)
    return np.asarray(np.ldexp(X, np.add.outer(rows, columns)))


def nearest(x: Fraction, dtype: type[np.floating]) -> float:
    """Return an exact number as it is stored, infinite if it is too large."""
    with mpmath.workdps(30), np.errstate(over="ignore"):
        return float(dtype(float(mpmath.mpf(x.numerator) / x.denominator)))


def stored(X: Any, dtype: type[np.floating]) -> Array:
    """Return exact numbers as they are stored."""
    return np.array([[nearest(x, dtype) for x in row] for row in X])


def assert_near(got: Array, expected: Array, tolerance: float, dtype: type[np.floating]) -> None:
    """Assert that rows agree up to a multiple of their largest entry, and what is infinite."""
    smallest = float(np.finfo(dtype).smallest_subnormal)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    got, expected = (np.where(finite, each, 0.0) for each in (got, expected))
    largest = np.abs(expected).max(axis=-1, keepdims=True, initial=0)
    error = np.abs(got - expected)
    assert (error <= tolerance * largest + 2 * smallest).all()


@precisions
@sizes
@scalings
def test_scaling_rows_and_columns_costs_no_accuracy(
    kernels: ModuleType, rng: np.random.Generator, scaling: str, n: int, dtype: type[np.floating]
) -> None:
    tolerance = (2 if n <= CLOSED else 2000 * n) * unit_roundoff(dtype)
    for _ in range(5):
        X = scaled(rng, n, dtype, scaling)
        det, adjugate = exact_det_and_adjugate(X)
        with np.errstate(all="ignore"):
            value, gradient = kernels.det_and_gradient(X)
            for each in (value, kernels.det(X)):
                assert_near(np.array([[each]]), stored([[det]], dtype), tolerance, dtype)
            # Rows of the gradient are as large as the product of the other rows of X.
            assert_near(gradient, stored(adjugate.T, dtype), max(tolerance, 1e-13), dtype)
            sign, logabsdet, inverse = kernels.slogdet_and_gradient(X)
            assert_near(inverse, stored((adjugate / det).T, dtype), max(tolerance, 1e-13), dtype)
        assert sign == (1 if det > 0 else -1)
        with mpmath.workdps(30):
            exact = float(mpmath.log(abs(mpmath.mpf(det.numerator) / det.denominator)))
        assert abs(logabsdet - exact) <= tolerance + 2 * unit_roundoff(dtype) * abs(exact)


numbers = st.builds(
    lambda m, e: float(np.ldexp(m, e)), st.integers(-(2**53), 2**53), st.integers(-1100, 960)
)


@pytest.mark.parametrize("isa", instruction_sets())
@pytest.mark.parametrize("n", [2, 3, 4])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_determinant_of_any_small_matrix_is_right_to_an_ulp(
    isa: str, n: int, data: st.DataObject
) -> None:
    X = data.draw(hnp.arrays(np.float64, (n, n), elements=numbers))
    det, adjugate = exact_det_and_adjugate(X)
    with np.errstate(all="ignore"):
        value, gradient = load(isa).det_and_gradient(X)
    u = unit_roundoff(np.float64)
    assert_near(np.array([[value]]), stored([[det]], np.float64), 2 * u, np.float64)
    expected = stored(adjugate.T, np.float64)
    if np.isfinite(expected).all():
        assert_near(gradient, expected, 4 * u, np.float64)


@pytest.mark.parametrize("exponents", [(0, 200, -540, -540), (-585, -540, 469, 0)])
@pytest.mark.parametrize("zero", range(4))
def test_cofactors_of_a_zero_row_survive_minors_that_underflow(
    kernels: ModuleType, zero: int, exponents: tuple[int, ...]
) -> None:
    X = np.array([[3.0, 1, -4, 2], [1, 2, 3, 4], [5, 7, 6, 8], [9, -2, 1, 11]])
    X *= np.ldexp(1.0, np.roll(exponents, zero))[:, None]
    X[zero] = 0
    exact = stored(exact_det_and_adjugate(X)[1].T, np.float64)
    assert_near(kernels.adjugate(X).T, exact, 4 * unit_roundoff(np.float64), np.float64)


@pytest.mark.parametrize("exponent", [-499, 499, 509])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_an_inverse_beside_a_large_determinant_is_found(
    kernels: ModuleType, n: int, exponent: int
) -> None:
    X = np.diag(np.ldexp(1.0, [exponent, exponent, 0, 0][:n]))
    np.testing.assert_array_equal(kernels.inv(X), np.diag(1 / np.diagonal(X)))


@pytest.mark.parametrize("n", [5, 9, 40])
def test_one_huge_entry_spoils_nothing(kernels: ModuleType, n: int) -> None:
    X = np.eye(n)
    X[0, n - 1] = 2.0**1000
    X[n - 1, 0] = 2.0**-1000
    X[1, 1] = 2.0
    # The last row less 2^-1000 times the first one: its last entry becomes 1 - 1.
    assert kernels.det(X) == 0
    X[n - 1, 0] = -(2.0**-1000)
    assert kernels.det(X) == 4
    assert kernels.slogdet(X)[1] == pytest.approx(np.log(4), rel=1e-14)


@pytest.mark.parametrize("n", [5, 8, 33])
def test_a_product_that_underflows_makes_no_matrix_singular(kernels: ModuleType, n: int) -> None:
    X = np.eye(n)
    X[:2, :2] = [[2.0**500, 2.0**500], [2.0**-600, 0.0]]
    assert kernels.det(X) == -(2.0**-100)
    np.testing.assert_array_equal(kernels.inv(X)[:2, :2], [[0, 2.0**600], [2.0**-500, -(2.0**600)]])
    assert kernels.slogdet(X)[0] == -1


def with_a_hidden_zero(n: int, power: int) -> tuple[Array, Fraction, Array]:
    """Return a tame matrix whose first row is so large that its tiny entry exceeds all others."""
    A = np.array([[2.0**-60, 1, 2, 0, 1], [1, 0, 1, 2, 1], [2, 1, 0, 1, 1], [1, 1, 1, 0, 2],
                  [1, 2, 1, 1, 0]])  # fmt: skip
    A[0] *= 2.0**power
    det, block = exact_det_and_adjugate(A)
    X, adjugate = np.eye(n), np.diag(np.full(n, det))
    X[:5, :5], adjugate[:5, :5] = A, block
    return X, det, adjugate


@pytest.mark.parametrize("power", [30, 59, 62, 90, 120, 150, 300])
@pytest.mark.parametrize("n", [5, 9, 20])
def test_a_row_scaled_apart_swallows_no_other(kernels: ModuleType, n: int, power: int) -> None:
    X, det, adjugate = with_a_hidden_zero(n, power)
    assert kernels.det(X) == pytest.approx(float(det), rel=1e-13)
    assert kernels.slogdet(X)[0] == np.sign(float(det))
    inverse = (adjugate / det).astype(float)
    assert_near(kernels.inv(X).T, inverse.T, 1e-13, np.float64)
    assert_near(kernels.adjugate(X).T, adjugate.astype(float).T, 1e-13, np.float64)


@precisions
@pytest.mark.parametrize("power", [8, 20, 36, 60, 120])
@pytest.mark.parametrize("n", [5, 9, 16, 20, 24, 32])
def test_columns_scaled_apart_cost_no_digits(
    kernels: ModuleType, rng: np.random.Generator, n: int, power: int, dtype: type[np.floating]
) -> None:
    power = min(power, 60) if dtype == np.float32 else power
    X = rng.integers(-4, 5, (9, n, n)) + 3.0 * np.eye(n)
    X[:, 0, 0] = 2.0 ** (3 - power)
    X = X[np.linalg.cond(X) < 1e6].astype(dtype)
    scaled = X * np.where(np.arange(n) == 0, 2.0**power, 1).astype(dtype)
    sign, logabsdet = np.linalg.slogdet(X.astype(float))
    lost = np.linalg.cond(X.astype(float)) * (2**12 if dtype == np.float64 else 2**10)
    got_sign, got = kernels.slogdet(scaled)
    np.testing.assert_array_equal(got_sign, sign)
    error = np.abs(got - logabsdet - power * np.log(2)) / (1 + np.abs(got))
    assert (error <= 4 * n * unit_roundoff(dtype) * lost).all()


@precisions
@pytest.mark.parametrize("n", [5, 8, 13, 16, 20, 24, 28, 32])
def test_rows_scattered_over_the_range_cost_no_digits(
    kernels: ModuleType, rng: np.random.Generator, n: int, dtype: type[np.floating]
) -> None:
    far = 55 if dtype == np.float32 else 400
    X = rng.normal(size=(200, n, n)).astype(dtype)
    powers = rng.integers(-far, far + 1, (200, n)).astype(np.int32)
    got = np.ldexp(kernels.inv(np.ldexp(X, powers[:, :, None])), powers[:, None, :])
    expected = np.linalg.inv(X.astype(float))
    error = np.abs(got - expected).max((1, 2)) / np.abs(expected).max((1, 2))
    assert (error <= 4 * np.linalg.cond(X.astype(float), np.inf) * unit_roundoff(dtype)).all()


@pytest.mark.parametrize("n", [24, 40, 101])
def test_a_row_scaled_apart_makes_no_matrix_singular(kernels: ModuleType, n: int) -> None:
    X, det, _ = with_a_hidden_zero(n, 120)
    assert kernels.det(X) == pytest.approx(float(det), rel=1e-13)
    assert np.isfinite(kernels.inv(X)).all()


@precisions
@pytest.mark.parametrize("n", [5, 8, 20, 24, 40, 90, 101])
def test_determinants_are_the_same_with_and_without_a_gradient(
    kernels: ModuleType, rng: np.random.Generator, n: int, dtype: type[np.floating]
) -> None:
    # Inverses of the smaller triangles overflow.
    bits = 0 if n > 8 else 20 if dtype == np.float32 else 50
    triangles = np.triu(rng.integers(-(2**bits), 2**bits, (3, n, n)), 1) + np.eye(n)
    column = rng.normal(size=(6, n, n))
    column[:, :, 1] *= 2.0 ** (-56 if dtype == np.float32 else -530)
    with np.errstate(all="ignore"):
        for X in (triangles.astype(dtype), np.triu(triangles.mT).astype(dtype),
                  column.astype(dtype)):  # fmt: skip
            np.testing.assert_array_equal(kernels.det_and_gradient(X)[0], kernels.det(X))
            for k in range(2):
                np.testing.assert_array_equal(
                    kernels.slogdet_and_gradient(X)[k], kernels.slogdet(X)[k]
                )
        np.testing.assert_allclose(kernels.det(triangles.astype(dtype)), 1, rtol=1e-3)


@pytest.mark.parametrize("n", [200, 512])
def test_a_determinant_beyond_the_range_leaves_the_gradient_its_bits(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = rng.normal(size=(n, n)) * 40
    with np.errstate(over="ignore"):
        value, gradient = kernels.det_and_gradient(X)
    sign, logabsdet, inverse = kernels.slogdet_and_gradient(X)
    assert value == sign * np.inf
    assert logabsdet > 710
    np.testing.assert_array_equal(np.sign(gradient), sign * np.sign(inverse))
    np.testing.assert_allclose(inverse, np.linalg.inv(X).T, rtol=1e-6, atol=1e-10)
