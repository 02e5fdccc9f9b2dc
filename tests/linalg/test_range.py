"""The exponent range: overflow and underflow on the way do no harm where the result fits."""

from types import ModuleType

import numpy as np
import pytest

from tests.linalg.judges import assert_close, conditioned_tolerance, unit_roundoff
from tests.linalg.samples import Array, numbers

SIZES = [*range(2, 21), 31, 32, 33, 40]
FAR = {np.float32: 100, np.float64: 660}

precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
sizes = pytest.mark.parametrize("n", SIZES)
arrangements = pytest.mark.parametrize("arrangement", ["alternating", "large first", "small first"])


def exponents(arrangement: str, n: int, far: int) -> Array:
    """Return powers of two for a diagonal of determinant one: far, -far, and 0 if n is odd."""
    alternating = np.resize([far, -far], n)
    alternating[n // 2 * 2 :] = 0
    if arrangement == "alternating":
        return alternating
    return np.sort(alternating)[:: -1 if arrangement == "large first" else 1]


@sizes
@arrangements
@precisions
def test_det_and_adjugate_of_huge_and_tiny_powers_of_two_are_exact(
    kernels: ModuleType,
    rng: np.random.Generator,
    dtype: type[np.floating],
    arrangement: str,
    n: int,
) -> None:
    e, order = exponents(arrangement, n, FAR[dtype]), rng.permutation(n)
    det = round(np.linalg.det(np.eye(n)[order]))
    X, inverse = (np.ldexp(np.eye(n, dtype=dtype), sign * e) for sign in (1, -1))
    X, adjugate = X[order], det * inverse[:, order]
    assert kernels.det(X) == det
    assert kernels.slogdet(X) == (det, 0)
    np.testing.assert_array_equal(kernels.adjugate(X), adjugate)
    value, gradient = kernels.det_and_gradient(X)
    assert value == det
    np.testing.assert_array_equal(gradient, adjugate.T)


@sizes
@arrangements
@precisions
def test_inverse_of_huge_and_tiny_powers_of_two_is_exact(
    kernels: ModuleType, dtype: type[np.floating], arrangement: str, n: int
) -> None:
    e = exponents(arrangement, n, FAR[dtype])
    X, inverse = (np.ldexp(np.eye(n, dtype=dtype), sign * e) for sign in (1, -1))
    np.testing.assert_array_equal(kernels.inv(X), inverse)
    np.testing.assert_array_equal(kernels.slogdet_and_gradient(X)[2], inverse)


@sizes
@arrangements
@precisions
def test_scaling_columns_by_huge_and_tiny_powers_of_two_scales_the_result(
    kernels: ModuleType,
    rng: np.random.Generator,
    dtype: type[np.floating],
    arrangement: str,
    n: int,
) -> None:
    R = numbers(rng, (5, n, n), dtype)
    e = exponents(arrangement, n, FAR[dtype] - 30)
    X = np.ldexp(R, e)
    exact = np.linalg.det(R.astype(np.float64))
    inverse = np.linalg.inv(R.astype(np.float64))
    tolerance = conditioned_tolerance(R, inverse)
    for det in (kernels.det(X), kernels.det_and_gradient(X)[0]):
        assert_close(det, exact, tolerance * abs(exact))
    bound = (tolerance * np.linalg.norm(inverse, axis=(1, 2)))[:, None, None]
    for got in (kernels.inv(X), kernels.slogdet_and_gradient(X)[2].mT):
        assert_close(np.ldexp(got.astype(np.float64), e[:, None]), inverse, bound)
    bound, adjugate = bound * abs(exact)[:, None, None], inverse * exact[:, None, None]
    for got in (kernels.adjugate(X), kernels.det_and_gradient(X)[1].mT):
        assert_close(np.ldexp(got.astype(np.float64), e[:, None]), adjugate, bound)


@sizes
@arrangements
def test_scaling_rows_by_huge_and_tiny_powers_of_two_scales_det_and_inverse(
    kernels: ModuleType, rng: np.random.Generator, arrangement: str, n: int
) -> None:
    R = numbers(rng, (5, n, n), np.float64)
    e = exponents(arrangement, n, 500)
    X = np.ldexp(R, e[:, None])
    exact, inverse = np.linalg.det(R), np.linalg.inv(R)
    # The scaling, not the sizes of the rows of R, chooses the pivots: growth is likely.
    tolerance = 100 * n * conditioned_tolerance(R, inverse)
    for det in (kernels.det(X), kernels.det_and_gradient(X)[0]):
        assert_close(det, exact, tolerance * abs(exact))
    bound = (tolerance * np.linalg.norm(inverse, axis=(1, 2)))[:, None, None]
    for got in (kernels.inv(X), kernels.slogdet_and_gradient(X)[2].mT):
        assert_close(np.ldexp(got, e), inverse, bound)


@sizes
@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e308])
def test_slogdet_has_no_range(kernels: ModuleType, n: int, scale: float) -> None:
    X = scale * np.eye(n)
    expected = n * np.log(scale)
    for sign, logabsdet, *_ in (kernels.slogdet(X), kernels.slogdet(-X)):
        assert abs(sign) == 1
        assert abs(logabsdet - expected) <= 4 * unit_roundoff(np.float64) * abs(expected)
    assert kernels.slogdet(-X)[0] == (-1) ** n


@sizes
@pytest.mark.parametrize("scale", [1e-305, 1e-200, 1e200, 1e305])
def test_inverse_of_a_scaled_identity(kernels: ModuleType, n: int, scale: float) -> None:
    inverse = kernels.inv(scale * np.eye(n))
    np.testing.assert_allclose(inverse, np.eye(n) / scale, rtol=4 * unit_roundoff(np.float64))
    np.testing.assert_array_equal(kernels.slogdet_and_gradient(scale * np.eye(n))[2], inverse)


@sizes
@precisions
def test_det_beyond_the_range_is_infinite_or_zero(
    kernels: ModuleType, dtype: type[np.floating], n: int
) -> None:
    huge, tiny = (np.ldexp(np.eye(n, dtype=dtype), sign * FAR[dtype]) for sign in (1, -1))
    reflected = huge.copy()
    reflected[0] *= -1
    with np.errstate(over="ignore"):
        for kernel in (kernels.det, lambda X: kernels.det_and_gradient(X)[0]):
            assert kernel(huge) == np.inf
            assert kernel(reflected) == -np.inf
            assert kernel(tiny) == 0


@pytest.mark.parametrize("n", [3, 4, 5, 8, 33])
def test_adjugate_beyond_the_range_is_infinite_or_zero_entry_by_entry(
    kernels: ModuleType, n: int
) -> None:
    off_diagonal = ~np.eye(n, dtype=bool)
    with np.errstate(over="ignore"):
        adjugate = kernels.adjugate(1e200 * np.eye(n))
    np.testing.assert_array_equal(adjugate.diagonal(), np.inf)
    np.testing.assert_array_equal(adjugate[off_diagonal], 0)
    np.testing.assert_array_equal(kernels.adjugate(1e-200 * np.eye(n)), np.zeros((n, n)))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 16])
def test_det_may_be_subnormal(kernels: ModuleType, n: int) -> None:
    e = np.full(n, -(1060 // n))
    e[0] -= 1060 % n
    X = np.ldexp(np.eye(n), e)
    det = np.ldexp(1.0, e.sum())
    assert 0 < det < np.finfo(np.float64).tiny
    assert kernels.det(X) == det
    assert kernels.det_and_gradient(X)[0] == det


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 17])
def test_subnormal_entries_are_numbers(kernels: ModuleType, n: int) -> None:
    smallest = np.finfo(np.float64).smallest_subnormal
    sign, logabsdet = kernels.slogdet(smallest * np.eye(n))
    assert sign == 1
    assert abs(logabsdet + 1074 * n * np.log(2)) <= 1e-12 * n
    X = np.eye(n)
    X[0, 0] = smallest
    assert kernels.det(X) == smallest
    assert kernels.adjugate(X)[0, 0] == 1


@pytest.mark.parametrize("n", [3, 5, 8, 16, 24, 28, 32, 40])
@pytest.mark.parametrize(("dtype", "end"), [(np.float64, 1010), (np.float32, 115)])
def test_adjugate_near_the_end_of_the_range_beside_others(
    kernels: ModuleType, rng: np.random.Generator, dtype: type[np.floating], end: int, n: int
) -> None:
    X = rng.normal(size=(12, n, n))
    adjugate = np.array([np.linalg.det(x) * np.linalg.inv(x) for x in X])
    far = (end - int(np.log2(np.abs(adjugate[::5]).max()))) // (n - 1)
    X[::5] = np.ldexp(X[::5], far)
    adjugate[::5] = np.ldexp(adjugate[::5], far * (n - 1))
    X = X.astype(dtype)
    expected = kernels.adjugate(X)
    sizes = np.abs(adjugate).max((1, 2), keepdims=True)
    tolerance = 1e-10 if dtype is np.float64 else 1e-3
    np.testing.assert_allclose(expected / sizes, adjugate / sizes, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(kernels.adjugate(X, out=X), expected)
