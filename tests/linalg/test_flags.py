"""Floating-point flags: raised where something is lost, and never otherwise."""

from types import ModuleType

import numpy as np
import pytest

from tests.linalg.samples import FACTORING, TOTAL, Array, arguments_of, of_rank, with_zero_pivots

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 33, 65]


def strict() -> np.errstate:
    """Turn every flag into an error but underflow, which says only that a number is small."""
    return np.errstate(divide="raise", over="raise", invalid="raise")


@pytest.mark.parametrize("n", [0, *SIZES, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ordinary_matrices_raise_no_flag_in_any_batch(
    kernel: np.ufunc, rng: np.random.Generator, name: str, n: int, dtype: type[np.floating]
) -> None:
    sizes = range(18) if n <= 16 else (1, 3)
    with strict():
        for size in sizes:
            kernel(*arguments_of(name, rng, n, (size,), dtype))


@pytest.mark.parametrize("name", TOTAL)
@pytest.mark.parametrize("n", SIZES)
def test_singular_matrices_raise_no_flag_where_the_function_is_defined(
    kernels: ModuleType, rng: np.random.Generator, name: str, n: int
) -> None:
    whole = [of_rank(rng, n, rank) for rank in range(max(0, n - 3), n)]
    pivots = [with_zero_pivots(rng, n, [k]) for k in range(min(n, 9))]
    X = np.array([np.zeros((n, n)), np.ones((n, n)), *whole, *pivots])
    with strict():
        getattr(kernels, name)(X)
        for x in X:
            getattr(kernels, name)(x)


@pytest.mark.parametrize("name", ["det", "slogdet"])
@pytest.mark.parametrize("n", [5, 8, 12, 16, 33])
def test_a_huge_singular_matrix_raises_no_flag_in_any_batch(
    kernels: ModuleType, name: str, n: int
) -> None:
    X = np.eye(n)
    X[:2, :2] = [[2, 3], [4, 6]]
    with strict():
        for size in range(1, 10):
            getattr(kernels, name)(np.tile(X * 2.0**300, (size, 1, 1)))


@pytest.mark.parametrize("name", FACTORING)
@pytest.mark.parametrize("n", SIZES)
def test_nan_passes_quietly(
    kernels: ModuleType, rng: np.random.Generator, name: str, n: int
) -> None:
    X = rng.normal(size=(9, n, n))
    X[4, rng.integers(n), rng.integers(n)] = np.nan
    with strict():
        getattr(kernels, name)(X)
        getattr(kernels, name)(np.full((n, n), np.nan))


def among_others(rng: np.random.Generator, X: Array) -> Array:
    """Return a batch of ordinary matrices with X as the last but one."""
    batch = rng.normal(size=(20, *X.shape))
    batch[-2] = X
    return batch


@pytest.mark.parametrize("name", ["inv", "slogdet_and_gradient"])
@pytest.mark.parametrize("n", SIZES)
def test_a_singular_matrix_raises_the_invalid_flag_alone(
    kernels: ModuleType, rng: np.random.Generator, name: str, n: int
) -> None:
    kernel = getattr(kernels, name)
    for X in (np.zeros((n, n)), among_others(rng, np.zeros((n, n)))):
        with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="invalid"):
            kernel(X)
        with np.errstate(divide="raise", over="raise", invalid="ignore"):
            kernel(X)
        with pytest.warns(RuntimeWarning, match=f"invalid value encountered in {name}"):
            kernel(X)


@pytest.mark.parametrize("name", ["det", "det_and_gradient"])
@pytest.mark.parametrize("n", SIZES[1:])
def test_overflow_of_det_raises_the_overflow_flag_alone(
    kernels: ModuleType, rng: np.random.Generator, name: str, n: int
) -> None:
    kernel = getattr(kernels, name)
    for X in (1e200 * np.eye(n), among_others(rng, 1e200 * np.eye(n))):
        with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
            kernel(X)
        with np.errstate(divide="raise", over="ignore", invalid="raise"):
            kernel(X)


@pytest.mark.parametrize("n", SIZES[2:])
def test_overflow_of_the_adjugate_raises_the_overflow_flag_alone(
    kernels: ModuleType, n: int
) -> None:
    X = 1e200 * np.eye(n)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        kernels.adjugate(X)
    with np.errstate(divide="raise", over="ignore", invalid="raise"):
        kernels.adjugate(X)


@pytest.mark.parametrize("name", ["inv", "adjugate", "det_and_gradient"])
def test_overflow_of_complex64_raises_the_overflow_flag(kernels: ModuleType, name: str) -> None:
    diagonal = [1e-42, 1e-42] if name == "inv" else [1e20, 1e20, 1e-30]
    X = np.diag(np.array(diagonal, np.complex64))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        getattr(kernels, name)(X)
    with np.errstate(divide="raise", over="ignore", invalid="raise"):
        getattr(kernels, name)(X)


def test_what_is_done_again_raises_no_flag_of_the_first_attempt(kernels: ModuleType) -> None:
    X = np.zeros((7, 7))
    X[1, [0, 1, 3, 6]] = 1, 1, 2.0**464, -(2.0**180)
    X[2, 2] = X[3, 5] = X[4, 0] = X[6, 1] = X[6, 2] = 1
    X[4, 2], X[5, 4] = 2, 2.0**445
    with strict():
        assert np.isfinite(kernels.adjugate(X)).all()


@pytest.mark.parametrize("name", TOTAL)
@pytest.mark.parametrize("n", SIZES[1:])
def test_underflow_is_no_error(kernels: ModuleType, name: str, n: int) -> None:
    with strict():
        getattr(kernels, name)(1e-200 * np.eye(n))


@pytest.mark.parametrize("n", SIZES[1:])
def test_overflow_on_the_way_raises_no_flag(kernels: ModuleType, n: int) -> None:
    X = np.diag(np.resize([1e200, 1e-200], n))
    X[n // 2 * 2 :] = np.eye(n)[n // 2 * 2 :]
    with strict():
        for name in FACTORING:
            getattr(kernels, name)(X)
        kernels.slogdet(1e200 * np.eye(n))


def test_flags_of_one_call_do_not_reach_the_next(kernels: ModuleType) -> None:
    with np.errstate(all="ignore"):
        kernels.inv(np.zeros((3, 3)))
        kernels.det(1e200 * np.eye(3))
    with strict():
        kernels.inv(np.eye(3))
        kernels.det(np.eye(3))


@pytest.mark.parametrize("n", [5, 8, 16, 24, 32, 33, 40, 70])
def test_overflow_of_any_one_entry_raises_the_overflow_flag(kernels: ModuleType, n: int) -> None:
    far = 1030 // (n - 1) + 1
    for place in range(n):
        exponents = np.full(n, far)
        exponents[place] = -200
        X = np.diag(np.ldexp(1.0, exponents))
        for name in ("adjugate", "det_and_gradient"):
            with strict(), pytest.raises(FloatingPointError, match="overflow"):
                getattr(kernels, name)(X)
