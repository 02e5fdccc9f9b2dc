"""The adjugate, the gradient of det, is right for every rank and wherever the zero pivot comes."""

from functools import cache
from types import ModuleType

import numpy as np
import pytest

from tests.linalg.judges import adjugate_bound, assert_close, exact_det_and_adjugate
from tests.linalg.samples import Array, of_rank, with_zero_pivots

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 13, 21]


@cache
def exact_adjugate(memory: bytes, n: int) -> Array:
    """Return the adjugate of n^2 doubles, found once for all instruction sets."""
    X = np.frombuffer(memory).reshape(n, n)
    return exact_det_and_adjugate(X)[1].astype(np.float64)


def assert_adjugates(kernels: ModuleType, X: Array) -> None:
    """Assert that adjugates, and gradients of det, are the exact ones to rounding."""
    exact = np.array([exact_adjugate(x.astype(np.float64).tobytes(), len(x)) for x in X])
    assert_close(kernels.adjugate(X), exact, adjugate_bound(X))
    assert_close(kernels.det_and_gradient(X)[1], exact.mT, adjugate_bound(X).mT)


@pytest.mark.parametrize("n", [*SIZES, 29, 37])
def test_adjugate_at_every_rank(kernels: ModuleType, rng: np.random.Generator, n: int) -> None:
    ranks = range(n + 1) if n <= 8 else range(n - 3, n + 1)
    assert_adjugates(kernels, np.array([of_rank(rng, n, r) for r in ranks for _ in range(3)]))


@pytest.mark.parametrize("n", SIZES)
def test_adjugate_with_a_zero_pivot_at_every_position(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = np.array([with_zero_pivots(rng, n, [k]) for k in range(n) for _ in range(3)])
    assert_adjugates(kernels, X)
    np.testing.assert_array_equal(kernels.det(X), np.zeros(len(X)))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 8])
def test_adjugate_with_zero_pivots_at_every_two_positions(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    pairs = [[j, k] for k in range(n) for j in range(k)]
    assert_adjugates(kernels, np.array([with_zero_pivots(rng, n, pair) for pair in pairs]))


@pytest.mark.parametrize("n", SIZES[1:])
def test_adjugate_of_rank_two_less_is_zero(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = rng.normal(size=(20, n, n))
    X[:, :, rng.permutation(n)[:2]] = 0
    np.testing.assert_array_equal(kernels.adjugate(X), np.zeros_like(X))
    np.testing.assert_array_equal(kernels.adjugate(X.mT), np.zeros_like(X))
    np.testing.assert_array_equal(kernels.det_and_gradient(X)[1], np.zeros_like(X))


@pytest.mark.parametrize("n", SIZES)
def test_adjugate_of_a_shift_is_one_corner(kernels: ModuleType, n: int) -> None:
    # Nilpotent of rank n - 1: every entry of the diagonal is zero, and so is the determinant.
    shift = np.diag(np.ones(n - 1), 1)
    expected = np.zeros((n, n))
    expected[0, n - 1] = (-1) ** (n - 1)
    np.testing.assert_array_equal(kernels.adjugate(shift), expected)
    np.testing.assert_array_equal(kernels.adjugate(shift.T), expected.T)


@pytest.mark.parametrize("n", SIZES[1:])
def test_gradient_of_det_at_zero_is_zero(kernels: ModuleType, n: int) -> None:
    det, gradient = kernels.det_and_gradient(np.zeros((n, n)))
    assert det == 0
    np.testing.assert_array_equal(gradient, np.zeros((n, n)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("x", [0.0, 1.0, -2.0, 1e-30])
def test_gradient_of_a_determinant_of_one_number_is_one(
    kernels: ModuleType, x: float, dtype: type[np.floating]
) -> None:
    X = np.full((1, 1), x, dtype)
    assert kernels.adjugate(X) == [[1]]
    det, gradient = kernels.det_and_gradient(X)
    assert det == X[0, 0]
    assert gradient == [[1]]


@pytest.mark.parametrize("n", SIZES[1:])
def test_adjugate_with_badly_scaled_columns(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = np.array([of_rank(rng, n, rank) for rank in (n, n - 1) for _ in range(6)])
    assert_adjugates(kernels, X * 2.0 ** rng.integers(-60, 60, (len(X), 1, n)))


@pytest.mark.parametrize("n", SIZES[1:])
def test_adjugate_near_a_singular_matrix(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    distances = np.array([1e-3, 1e-8, 1e-12, 1e-15, 1e-16, 1e-17, 1e-30])
    noise = distances[:, None, None] * rng.normal(size=(len(distances), n, n))
    assert_adjugates(kernels, np.array([of_rank(rng, n, n - 1) + E for E in noise]))


@pytest.mark.parametrize("n", SIZES[2:])
def test_adjugate_where_the_first_columns_are_dependent_up_to_rounding(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    # The pivot before the last is noise, of no correct digit, and it must not spoil the last.
    X = rng.normal(size=(10, n, n))
    X[:, :, n - 2] = (X[:, :, : n - 2] @ rng.normal(size=(10, n - 2, 1)))[:, :, 0]
    assert_adjugates(kernels, X)


@pytest.mark.parametrize("n", SIZES[1:])
def test_adjugate_of_a_float_matrix_of_rank_one_less(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    # Which column depends on the others decides where the noise pivot comes.
    X = rng.normal(size=(n, n, n))
    for k in range(n):
        X[k, :, k] = np.delete(X[k], k, axis=1) @ rng.normal(size=n - 1)
    assert_adjugates(kernels, X)


@pytest.mark.parametrize("n", SIZES[:8])
def test_adjugate_in_float32(kernels: ModuleType, rng: np.random.Generator, n: int) -> None:
    whole = [of_rank(rng, n, rank) for rank in range(n + 1)]
    pivots = [with_zero_pivots(rng, n, [k]) for k in range(n)]
    assert_adjugates(kernels, np.array([*whole, *pivots], dtype=np.float32))


def test_ranks_mixed_in_a_batch_do_not_disturb_each_other(
    kernels: ModuleType, rng: np.random.Generator
) -> None:
    for n in (3, 6, 10):
        ranks = rng.permutation([n] * 20 + [n - 1] * 10 + [n - 2] * 5 + [0] * 2)
        X = np.array([of_rank(rng, n, rank) for rank in ranks])
        together = kernels.adjugate(X)
        for x, alone in zip(X, together, strict=True):
            np.testing.assert_array_equal(kernels.adjugate(x), alone)
        assert_adjugates(kernels, X)
