"""Closed forms lose nothing: n <= 4 against integers, fractions and sixty digits."""

from functools import cache
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest

from tests.linalg.judges import (
    DIGITS,
    det_and_inverse,
    exact_det_and_adjugate,
    normwise_error,
    relative_error,
    unit_roundoff,
)
from tests.linalg.samples import Array, graded, of_small_determinant

CLOSED = [1, 2, 3, 4]
LARGEST_EXACT = 2.0**53

# Entries so large that the products have twice the digits of a double.
LARGEST_ENTRY = {1: 2**50, 2: 2**50, 3: 2**33, 4: 2**25}


@cache
def integers(n: int) -> tuple[Array, Array, Array]:
    """Return integer-valued matrices of every size of entries, determinants, adjugates."""
    rng = np.random.default_rng(n)
    # Hadamard: |det| <= (largest |entry| * sqrt(n))^n, here below 2^53.
    limits = [1, 9, 100, int(2 ** (53 / n) / n**0.5)]
    plain = [rng.integers(-a, a, (n, n), endpoint=True) for a in limits for _ in range(40)]
    rank_one = [np.outer(rng.integers(-999, 999, n), rng.integers(-9, 9, n)) for _ in range(40)]
    X = np.array([*plain, *rank_one], dtype=np.float64)
    return X, *_judged(X)


@cache
def large_integers(n: int) -> tuple[Array, Array]:
    """Return matrices of large integers and small determinants, and the determinants."""
    rng = np.random.default_rng(n)
    X = np.array([of_small_determinant(rng, n, LARGEST_ENTRY[n]) for _ in range(100)])
    return X, _judged(X)[0]


@cache
def ill_conditioned(n: int) -> tuple[Array, list[Any], list[Array]]:
    """Return matrices of condition 1 to 1e15, graded evenly and by a single drop; det, inverse."""
    rng = np.random.default_rng(n)
    drops = [0, 3, 6, 9, 12, 15]
    evenly = [graded(rng, np.logspace(0, -k, n)) for k in drops for _ in range(8)]
    at_once = [graded(rng, np.r_[np.ones(n - 1), 10.0**-k]) for k in drops for _ in range(8)]
    X = np.array([*evenly, *at_once])
    judged = [det_and_inverse(x) for x in X]
    return X, [det for det, _ in judged], [inverse for _, inverse in judged]


def _judged(X: Array) -> tuple[Array, Array]:
    pairs = [exact_det_and_adjugate(x) for x in X]
    dets = np.array([float(det) for det, _ in pairs])
    return dets, np.array([adjugate.astype(np.float64) for _, adjugate in pairs])


@pytest.mark.parametrize("n", CLOSED)
def test_det_of_an_integer_matrix_is_exact(kernels: ModuleType, n: int) -> None:
    X, dets, _ = integers(n)
    assert (abs(dets) < LARGEST_EXACT).all()
    np.testing.assert_array_equal(kernels.det(X), dets)
    np.testing.assert_array_equal(kernels.det_and_gradient(X)[0], dets)


@pytest.mark.parametrize("n", CLOSED)
def test_adjugate_of_an_integer_matrix_is_exact(kernels: ModuleType, n: int) -> None:
    X, _, adjugates = integers(n)
    np.testing.assert_array_equal(kernels.adjugate(X), adjugates)
    np.testing.assert_array_equal(kernels.det_and_gradient(X)[1], adjugates.mT)


@pytest.mark.parametrize("n", CLOSED)
def test_slogdet_of_an_integer_matrix_knows_the_sign_and_zero(kernels: ModuleType, n: int) -> None:
    X, dets, _ = integers(n)
    for sign, logabsdet, *_ in (kernels.slogdet(X), _quiet(kernels.slogdet_and_gradient, X)):
        np.testing.assert_array_equal(sign, np.sign(dets))
        np.testing.assert_array_equal(np.isneginf(logabsdet), dets == 0)


@pytest.mark.parametrize("n", CLOSED)
def test_singular_integer_matrix_has_no_inverse(kernels: ModuleType, n: int) -> None:
    X, dets, _ = integers(n)
    lost = np.isnan(_quiet(kernels.inv, X))
    np.testing.assert_array_equal(lost.all(axis=(1, 2)), dets == 0)
    np.testing.assert_array_equal(lost.any(axis=(1, 2)), dets == 0)


@pytest.mark.parametrize("n", CLOSED)
def test_det_of_large_integers_is_exact_where_they_cancel(kernels: ModuleType, n: int) -> None:
    X, dets = large_integers(n)
    np.testing.assert_array_equal(kernels.det(X), dets)
    np.testing.assert_array_equal(kernels.det_and_gradient(X)[0], dets)
    np.testing.assert_array_equal(kernels.slogdet(X)[0], np.sign(dets))


@pytest.mark.parametrize("n", CLOSED)
def test_det_of_a_float32_integer_matrix_is_exact(kernels: ModuleType, n: int) -> None:
    X, dets, _ = integers(n)
    representable = (abs(X).max(axis=(1, 2)) < 2**24) & (abs(dets) < 2**24)
    X, dets = X[representable].astype(np.float32), dets[representable].astype(np.float32)
    np.testing.assert_array_equal(kernels.det(X), dets)
    np.testing.assert_array_equal(kernels.det_and_gradient(X)[0], dets)


@pytest.mark.parametrize("n", CLOSED)
def test_ill_conditioned_det_is_within_two_roundings(kernels: ModuleType, n: int) -> None:
    X, dets, _ = ill_conditioned(n)
    for got in (kernels.det(X), kernels.det_and_gradient(X)[0]):
        errors = [relative_error(x, y) for x, y in zip(got, dets, strict=True)]
        assert max(errors) <= 2 * unit_roundoff(np.float64)


@pytest.mark.parametrize("n", CLOSED)
def test_ill_conditioned_slogdet_is_within_a_few_roundings(kernels: ModuleType, n: int) -> None:
    X, dets, _ = ill_conditioned(n)
    for sign, logabsdet, *_ in (kernels.slogdet(X), kernels.slogdet_and_gradient(X)):
        for s, log, exact in zip(sign, logabsdet, dets, strict=True):
            with mpmath.workdps(DIGITS):
                assert s == mpmath.sign(exact)
                error = abs(log - mpmath.log(abs(exact)))
                assert error <= 4 * unit_roundoff(np.float64) * (1 + abs(log))


@pytest.mark.parametrize("n", CLOSED)
def test_ill_conditioned_inverse_is_within_four_roundings(kernels: ModuleType, n: int) -> None:
    X, _, inverses = ill_conditioned(n)
    for got in (kernels.inv(X), kernels.slogdet_and_gradient(X)[2].mT):
        errors = [normwise_error(x, y) for x, y in zip(got, inverses, strict=True)]
        assert max(errors) <= 4 * unit_roundoff(np.float64)


@pytest.mark.parametrize("n", CLOSED)
def test_ill_conditioned_adjugate_is_within_four_roundings(kernels: ModuleType, n: int) -> None:
    X, dets, inverses = ill_conditioned(n)
    for got in (kernels.adjugate(X), kernels.det_and_gradient(X)[1].mT):
        for x, det, inverse in zip(got, dets, inverses, strict=True):
            assert normwise_error(x, det * inverse) <= 4 * unit_roundoff(np.float64)


@pytest.mark.parametrize("n", CLOSED)
def test_badly_scaled_columns_cost_no_digit(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = rng.normal(size=(50, n, n)) * 10.0 ** rng.integers(-40, 40, (50, 1, n))
    dets, adjugates = zip(*map(exact_det_and_adjugate, X), strict=True)
    for got, exact in zip(kernels.det(X), dets, strict=True):
        assert relative_error(got, exact) <= 2 * unit_roundoff(np.float64)
    for got, exact in zip(kernels.adjugate(X), adjugates, strict=True):
        for row, exact_row in zip(got, exact, strict=True):
            assert normwise_error(row, exact_row) <= 4 * unit_roundoff(np.float64)


@pytest.mark.parametrize("n", CLOSED)
def test_float32_is_computed_in_float64_inside(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = np.array([graded(rng, np.logspace(0, -6, n)) for _ in range(50)]).astype(np.float32)
    dets, inverses = zip(*map(det_and_inverse, X.astype(np.float64)), strict=True)
    u = unit_roundoff(np.float32)
    for got, exact in zip(kernels.det(X), dets, strict=True):
        assert relative_error(got, exact) <= 1.01 * u
    for inverse, exact_inverse in zip(kernels.inv(X), inverses, strict=True):
        assert normwise_error(inverse, exact_inverse) <= 1.01 * u


def _quiet(kernel: np.ufunc, X: Array) -> Any:
    """Call a kernel that complains about singular matrices."""
    with np.errstate(invalid="ignore"):
        return kernel(X)
