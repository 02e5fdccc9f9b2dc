"""What no number should be lost to: NaN, inf, singular matrices, nothing at all."""

from types import ModuleType

import numpy as np
import pytest

from tests.linalg.judges import assert_same_bits
from tests.linalg.samples import (
    FACTORING,
    Array,
    arguments_of,
    numbers,
    results,
    singular_behind_a_tiny_pivot,
    with_zero_pivots,
)

SIZES = [1, 2, 3, 4, 5, 6, 9, 17]
LARGE = [33, 97]

precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
factoring = pytest.mark.parametrize("name", FACTORING)
backgrounds = pytest.mark.parametrize("background", ["random", "zeros", "ones", "identity"])


def matrix(background: str, rng: np.random.Generator, n: int) -> Array:
    if background == "random":
        return rng.normal(size=(n, n))
    return {"zeros": np.zeros((n, n)), "ones": np.ones((n, n)), "identity": np.eye(n)}[background]


def with_one_entry(X: Array, value: float) -> Array:
    """Return copies of X, one for each position, with `value` there."""
    n = len(X)
    positions = np.arange(n * n)
    copies = np.repeat(X.reshape(1, -1), n * n, axis=0)
    copies[positions, positions] = value
    return copies.reshape(-1, n, n)


@factoring
@backgrounds
@pytest.mark.parametrize("n", SIZES)
def test_nan_at_every_position_poisons_every_result(
    kernels: ModuleType, rng: np.random.Generator, name: str, background: str, n: int
) -> None:
    for dtype in (np.float32, np.float64):
        X = with_one_entry(matrix(background, rng, n).astype(dtype), np.nan)
        for result in results(getattr(kernels, name), X):
            assert np.isnan(result).all()


@factoring
@precisions
@pytest.mark.parametrize("n", [*SIZES, *LARGE])
def test_nan_leaves_the_neighbours_alone(
    kernels: ModuleType, rng: np.random.Generator, name: str, dtype: type[np.floating], n: int
) -> None:
    kernel = getattr(kernels, name)
    clean = numbers(rng, (40, n, n), dtype)
    for step in (2, 3, 7):
        poisoned = clean.copy()
        poisoned[::step, rng.integers(n), rng.integers(n)] = np.nan
        untouched = np.arange(40) % step != 0
        for got, expected in zip(results(kernel, poisoned), results(kernel, clean), strict=True):
            assert_same_bits(got[untouched], expected[untouched])
            assert np.isnan(got[~untouched]).all()


@precisions
@pytest.mark.parametrize("n", SIZES)
def test_nan_on_the_diagonal_poisons_the_trace(
    kernels: ModuleType, rng: np.random.Generator, dtype: type[np.floating], n: int
) -> None:
    X = numbers(rng, (n, n), dtype)
    on_diagonal = np.eye(n, dtype=bool).reshape(-1)
    np.testing.assert_array_equal(np.isnan(kernels.trace(with_one_entry(X, np.nan))), on_diagonal)


@precisions
@pytest.mark.parametrize("n", SIZES)
def test_nan_at_every_position_poisons_a_trace_of_products(
    kernels: ModuleType, rng: np.random.Generator, dtype: type[np.floating], n: int
) -> None:
    for name in ("trace_product", "quadratic_trace"):
        arguments = arguments_of(name, rng, n, dtype=dtype, m=n)
        for k, argument in enumerate(arguments):
            poisoned = (*arguments[:k], with_one_entry(argument, np.nan), *arguments[k + 1 :])
            assert np.isnan(getattr(kernels, name)(*poisoned)).all()


@pytest.mark.parametrize("n", SIZES)
def test_nan_reaches_the_gradient_of_the_quadratic_where_it_should(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    arguments = arguments_of("quadratic_trace", rng, n, m=n)
    for k, argument in enumerate(arguments):
        poisoned = (*arguments[:k], with_one_entry(argument, np.nan), *arguments[k + 1 :])
        X, A, Q = poisoned
        value, gradient = kernels.quadratic_trace_and_gradient(*poisoned)
        assert np.isnan(value).all()
        np.testing.assert_array_equal(np.isnan(gradient), np.isnan(Q.mT @ X @ A.mT + Q @ X @ A))


@backgrounds
@precisions
@pytest.mark.parametrize("n", SIZES)
def test_det_of_a_matrix_with_an_infinity_is_never_finite(
    kernels: ModuleType,
    rng: np.random.Generator,
    background: str,
    dtype: type[np.floating],
    n: int,
) -> None:
    X = with_one_entry(matrix(background, rng, n).astype(dtype), rng.choice([np.inf, -np.inf]))
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(kernels.det(X)).any()
        assert not np.isfinite(kernels.det_and_gradient(X)[0]).any()
        for sign, logabsdet, *_ in (kernels.slogdet(X), kernels.slogdet_and_gradient(X)):
            assert (sign != 0).all()
            assert (np.isnan(logabsdet) | np.isposinf(logabsdet)).all()


@precisions
@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
@pytest.mark.parametrize("n", SIZES[1:])
def test_infinity_never_makes_a_zero(
    kernels: ModuleType,
    rng: np.random.Generator,
    dtype: type[np.floating],
    infinity: float,
    n: int,
) -> None:
    X = with_one_entry(numbers(rng, (n, n), dtype), infinity)
    with np.errstate(invalid="ignore"):
        for name in ("inv", "adjugate", "det_and_gradient", "slogdet_and_gradient"):
            for result in results(getattr(kernels, name), X):
                assert (result != 0).all()


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinity_passes_through_traces(
    kernels: ModuleType, rng: np.random.Generator, infinity: float
) -> None:
    X, A = rng.uniform(1, 2, (2, 5, 5))
    X[3, 3] = infinity
    assert kernels.trace(X) == infinity
    assert kernels.trace_product(A, X) == infinity
    assert kernels.quadratic_trace(A, X, np.ones((5, 5))) == infinity


def singular(kind: str, rng: np.random.Generator, n: int) -> Array:
    """Return a matrix whose elimination meets an exact zero and no rounding hides it."""
    if kind == "zero pivot":
        return with_zero_pivots(rng, n, [int(rng.integers(n))])
    X = rng.normal(size=(n, n))
    if kind == "zero":
        return np.zeros((n, n))
    if kind == "zero row":
        X[rng.integers(n)] = 0
    else:
        X[:, rng.integers(n)] = 0
    return X


singularities = pytest.mark.parametrize("kind", ["zero", "zero row", "zero column", "zero pivot"])


@singularities
@precisions
@pytest.mark.parametrize("n", SIZES)
def test_inverse_of_a_singular_matrix_is_nan_and_its_neighbours_are_right(
    kernels: ModuleType, rng: np.random.Generator, kind: str, dtype: type[np.floating], n: int
) -> None:
    X = numbers(rng, (23, n, n), dtype)
    alone = kernels.inv(X)
    gradient_alone = kernels.slogdet_and_gradient(X)[2]
    lost = np.arange(23) % 5 == 3
    X[lost] = [singular(kind, rng, n) for _ in range(lost.sum())]
    with np.errstate(invalid="ignore"):
        inverse, (sign, logabsdet, gradient) = kernels.inv(X), kernels.slogdet_and_gradient(X)
    assert np.isnan(inverse[lost]).all()
    assert np.isnan(gradient[lost]).all()
    assert_same_bits(inverse[~lost], alone[~lost])
    assert_same_bits(gradient[~lost], gradient_alone[~lost])
    np.testing.assert_array_equal(sign[lost], 0)
    np.testing.assert_array_equal(logabsdet[lost], -np.inf)


@singularities
@precisions
@pytest.mark.parametrize("n", SIZES)
def test_singular_matrix_has_det_zero_and_log_minus_infinity(
    kernels: ModuleType, rng: np.random.Generator, kind: str, dtype: type[np.floating], n: int
) -> None:
    X = singular(kind, rng, n).astype(dtype)
    assert kernels.det(X) == 0
    assert kernels.det_and_gradient(X)[0] == 0
    assert kernels.slogdet(X) == (0, -np.inf)


@precisions
@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 9])
def test_kernels_agree_on_which_matrices_are_singular(
    kernels: ModuleType, rng: np.random.Generator, dtype: type[np.floating], n: int
) -> None:
    X = rng.integers(-1, 2, (2000, n, n)).astype(dtype)
    assert (kernels.det(X) == 0).any()
    assert_all_find_the_same_singular(kernels, X)


@pytest.mark.parametrize(
    ("dtype", "exponents", "sizes"),
    [
        pytest.param(np.float64, (14, 20), (5, 8, 9, 16, 24, 32, 40), id="float64"),
        pytest.param(np.float32, (10, 12), (5, 8, 9, 17, 33, 64), id="float32"),
    ],
)
def test_kernels_agree_on_matrices_that_are_singular_behind_a_tiny_pivot(
    kernels: ModuleType,
    rng: np.random.Generator,
    dtype: type[np.floating],
    exponents: tuple[int, ...],
    sizes: tuple[int, ...],
) -> None:
    for n in sizes:
        for exponent in exponents:
            X = np.array([singular_behind_a_tiny_pivot(rng, n, exponent) for _ in range(200)])
            assert_all_find_the_same_singular(kernels, X.astype(dtype))


@precisions
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9, 16, 17, 24, 32, 33, 48, 64, 100])
def test_det_is_the_same_with_and_without_its_gradient(
    kernels: ModuleType, rng: np.random.Generator, dtype: type[np.floating], n: int
) -> None:
    X = (rng.normal(size=(21, n, n)) / 8).astype(dtype)
    assert_same_bits(kernels.det_and_gradient(X)[0], kernels.det(X))


def assert_all_find_the_same_singular(kernels: ModuleType, X: Array) -> None:
    singular = kernels.det(X) == 0
    with np.errstate(invalid="ignore"):
        inverse, (sign, logabsdet, gradient) = kernels.inv(X), kernels.slogdet_and_gradient(X)
    np.testing.assert_array_equal(kernels.det_and_gradient(X)[0] == 0, singular)
    np.testing.assert_array_equal(kernels.slogdet(X)[0] == 0, singular)
    np.testing.assert_array_equal(sign == 0, singular)
    np.testing.assert_array_equal(np.isneginf(logabsdet), singular)
    np.testing.assert_array_equal(np.isnan(inverse).all(axis=(1, 2)), singular)
    np.testing.assert_array_equal(np.isnan(gradient).all(axis=(1, 2)), singular)


@pytest.mark.parametrize("batch", [(), (4,), (2, 0)])
@precisions
def test_empty_matrices_have_det_one_and_trace_zero(
    kernels: ModuleType, batch: tuple[int, ...], dtype: type[np.floating]
) -> None:
    X = np.empty((*batch, 0, 0), dtype)
    ones, zeros = np.ones(batch, dtype), np.zeros(batch, dtype)
    assert_same_bits(kernels.det(X), ones)
    assert_same_bits(kernels.slogdet(X), (ones, zeros))
    assert_same_bits(kernels.inv(X), X)
    assert_same_bits(kernels.adjugate(X), X)
    assert_same_bits(kernels.det_and_gradient(X), (ones, X))
    assert_same_bits(kernels.slogdet_and_gradient(X), (ones, zeros, X))
    assert_same_bits(kernels.trace(X), zeros)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_products_over_empty_sides_are_zero(kernels: ModuleType, n: int, m: int) -> None:
    A, X = np.ones((2, m, n)), np.ones((2, n, m))
    assert_same_bits(kernels.trace_product(A, X), np.zeros(2))
    arguments = np.ones((2, n, m)), np.ones((2, m, m)), np.ones((2, n, n))
    assert_same_bits(kernels.quadratic_trace(*arguments), np.zeros(2))
    expected = np.zeros(2), np.zeros((2, n, m))
    assert_same_bits(kernels.quadratic_trace_and_gradient(*arguments), expected)


@pytest.mark.parametrize("n", [1, 2, 4, 5, 40])
@pytest.mark.parametrize("batch", [(0,), (3, 0), (0, 2)])
def test_empty_batches_give_empty_results(
    kernel: np.ufunc, rng: np.random.Generator, name: str, n: int, batch: tuple[int, ...]
) -> None:
    for result in results(kernel, *arguments_of(name, rng, n, batch)):
        assert result.shape[: len(batch)] == batch
        assert result.size == 0
