"""log|det| is within a unit in the last place of the logarithm of the determinant it belongs to."""

from types import ModuleType

import mpmath
import numpy as np
import pytest

from tests.linalg.judges import Array


@pytest.mark.parametrize("n", [2, 5, 8])
def test_logarithm_of_every_magnitude(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    x = np.concatenate(
        [
            rng.choice([-1, 1], 400) * 10.0 ** rng.uniform(-250, 250, 400),
            1 + rng.normal(size=400) * 10.0 ** rng.uniform(-16, -1, 400),
            np.sqrt([0.5, 2.0, 0.5 + 1e-15, 2 - 1e-15]),
            [1.0, -1.0, np.nextafter(1, 0), np.nextafter(1, 2)],
        ]
    )
    sign, logabsdet = kernels.slogdet(diagonal(x, n))
    expected = np.array([float(mpmath.log(abs(mpmath.mpf(each)))) for each in x])
    np.testing.assert_array_equal(sign, np.sign(x))
    assert np.all(np.abs(logabsdet - expected) <= np.spacing(np.abs(expected)))


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_logarithm_of_what_has_no_finite_one(kernels: ModuleType, n: int) -> None:
    with np.errstate(all="ignore"):
        sign, logabsdet = kernels.slogdet(diagonal(np.array([0.0, np.nan]), n))
    np.testing.assert_array_equal(sign, [0, np.nan])
    np.testing.assert_array_equal(logabsdet, [-np.inf, np.nan])


def test_logarithm_of_an_infinite_number(kernels: ModuleType) -> None:
    sign, logabsdet = kernels.slogdet(np.array([np.inf, -np.inf]).reshape(2, 1, 1))
    np.testing.assert_array_equal(sign, [1, -1])
    np.testing.assert_array_equal(logabsdet, [np.inf, np.inf])


def test_logarithm_in_single_precision(kernels: ModuleType, rng: np.random.Generator) -> None:
    x = (10.0 ** rng.uniform(-30, 30, 999)).astype(np.float32)
    for n in (2, 5, 16):
        _, logabsdet = kernels.slogdet(diagonal(x, n))
        expected = np.log(x.astype(np.float64))
        assert logabsdet.dtype == np.float32
        assert np.all(np.abs(logabsdet - expected) <= 0.6 * np.spacing(np.abs(logabsdet)))


def diagonal(x: Array, n: int) -> Array:
    """Return diagonal matrices whose determinants are x exactly."""
    X = np.zeros((len(x), n, n), x.dtype)
    X[:, np.arange(n), np.arange(n)] = 1
    X[:, n - 1, n - 1] = x
    return X
