"""The product of small matrices: of every shape, however its factors lie in memory."""

from collections.abc import Callable
from operator import mul
from types import ModuleType

import numpy as np
import pytest

from tests.linalg.samples import Array

SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 33]
SHAPES = [
    *[(n, n, n) for n in SIZES],
    *[(m, k, 1) for m in (1, 3, 8, 17, 50) for k in (0, 1, 3, 8, 13, 50)],
    *[(1, k, n) for k in (1, 5, 16) for n in (2, 3, 8, 21)],
    *[(8, 2, 8), (8, 8, 2), (15, 3, 40), (6, 40, 3), (11, 1, 10)],
    *[(2, 17, 2), (5, 5, 2), (3, 4, 3)],
    *[(7, 15, 4), (8, 6, 7), (8, 3, 16), (5, 31, 2), (8, 7, 6)],
]
DTYPES = [np.float32, np.float64]

# How a factor lies in memory, one matrix behind the other or not.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C order": lambda A: A,
    "Fortran order": lambda A: A.mT.copy().mT,
    "columns apart": lambda A: np.repeat(A, 2, axis=-1)[..., ::2],
    "backwards": lambda A: A[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
    "batch last": lambda A: np.moveaxis(np.moveaxis(A, 0, -1).copy(), -1, 0),
}


def strict() -> np.errstate:
    """Turn every flag into an error but underflow."""
    return np.errstate(divide="raise", over="raise", invalid="raise")


def factors(
    rng: np.random.Generator, count: int, shape: tuple[int, int, int], dtype: type
) -> tuple[Array, Array]:
    """Return `count` pairs of random matrices (m, k) and (k, n)."""
    m, k, n = shape
    A: Array = rng.normal(size=(count, m, k)).astype(dtype)
    B: Array = rng.normal(size=(count, k, n)).astype(dtype)
    return A, B


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_product_in_every_layout(
    kernels: ModuleType, rng: np.random.Generator, shape: tuple[int, int, int], dtype: type
) -> None:
    m, k, n = shape
    A, B = factors(rng, 5, shape, dtype)
    expected = np.matmul(A.astype(np.longdouble), B.astype(np.longdouble))
    allowed = (k + 1) * np.finfo(dtype).eps * np.matmul(abs(A), abs(B)).astype(float)
    for of_a in LAYOUTS.values():
        for of_b in LAYOUTS.values():
            with strict():
                C = kernels.matmul(of_a(A), of_b(B))
            assert C.dtype == dtype
            assert C.shape == (5, m, n)
            assert np.all(abs(C - expected) <= allowed)


SUMS: dict[str, Callable[[Array, Array], Array]] = {
    "matmul_plus": lambda P, D: P + D,
    "matmul_minus": lambda P, D: P - D,
    "minus_matmul": lambda P, D: D - P,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUMS)
def test_sums_have_the_bits_of_product_and_sum(
    kernels: ModuleType,
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    dtype: type,
    name: str,
) -> None:
    m, _, n = shape
    A, B = factors(rng, 19, shape, dtype)
    D: Array = rng.normal(size=(19, m, n)).astype(dtype)
    expected = SUMS[name](kernels.matmul(A, B), D)
    for of_d in LAYOUTS.values():
        with strict():
            np.testing.assert_array_equal(getattr(kernels, name)(A, B, of_d(D)), expected)
    np.testing.assert_array_equal(
        getattr(kernels, name)(A, B, D[:1]), SUMS[name](kernels.matmul(A, B), D[:1])
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SUMS)
def test_sums_may_take_the_place_of_an_operand(
    kernels: ModuleType, rng: np.random.Generator, dtype: type, name: str
) -> None:
    for n in SIZES:
        operands: list[Array] = [rng.normal(size=(5, n, n)).astype(dtype) for _ in range(3)]
        expected = getattr(kernels, name)(*operands)
        for place in range(3):
            given = [each.copy() for each in operands]
            getattr(kernels, name)(*given, out=given[place])
            np.testing.assert_array_equal(given[place], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_writes_where_it_is_told_and_nowhere_else(
    kernels: ModuleType, rng: np.random.Generator, dtype: type
) -> None:
    for m, k, n in SHAPES:
        A, B = factors(rng, 3, (m, k, n), dtype)
        expected = kernels.matmul(A, B)
        for spread in ((1, 1), (1, 2), (2, 1), (2, 3)):
            room: Array = np.full((3, spread[0] * m, spread[1] * n), 7, dtype)
            place = room[:, :: spread[0], :: spread[1]]
            kernels.matmul(A, B, out=place)
            np.testing.assert_array_equal(place, expected)
            place[...] = 7
            assert np.all(room == 7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [*SIZES, 50])
def test_it_may_take_the_place_of_a_factor(
    kernels: ModuleType, rng: np.random.Generator, n: int, dtype: type
) -> None:
    for k in (0, 1):
        for view in (np.asarray, np.matrix_transpose, np.flipud):
            pair = factors(rng, 5, (n, n, n), dtype)
            expected = kernels.matmul(*pair)
            place = view(pair[k])
            kernels.matmul(*pair, out=place)
            np.testing.assert_array_equal(place, expected)


def test_small_integers_are_multiplied_exactly(
    kernels: ModuleType, rng: np.random.Generator
) -> None:
    A, B = rng.integers(-99, 99, (2, 6, 5)), rng.integers(-99, 99, (2, 5, 9))
    exact = [
        [[sum(map(mul, a, b)) for b in Bs.T.tolist()] for a in As.tolist()]
        for As, Bs in zip(A, B, strict=True)
    ]
    assert kernels.matmul(A.astype(float), B.astype(float)).tolist() == exact


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 5, 3), (5, 9, 1)])
def test_a_factor_of_the_whole_batch_gives_the_bits_of_its_copies(
    kernels: ModuleType, rng: np.random.Generator, shape: tuple[int, int, int]
) -> None:
    m, k, n = shape
    A, B = rng.normal(size=(2, 4, m, k)), rng.normal(size=(k, n))
    copies = np.broadcast_to(B, (2, 4, k, n)).copy()
    np.testing.assert_array_equal(kernels.matmul(A, B), kernels.matmul(A, copies))
    C, D = A[0, 0], rng.normal(size=(3, 1, k, n))
    np.testing.assert_array_equal(kernels.matmul(C, D)[2, 0], kernels.matmul(C, D[2, 0]))


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 5, 3), (6, 5, 3), (50, 9, 1), (1, 9, 50)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_flags_are_those_of_the_entries(
    kernels: ModuleType, rng: np.random.Generator, shape: tuple[int, int, int], dtype: type
) -> None:
    A, B = factors(rng, 5, shape, dtype)
    A[2, -1, -1], B[2, -1] = np.inf, 1
    A[3, 0, 0] = np.nan
    with strict():
        C = kernels.matmul(A, B)
    assert np.all(C[2, -1] == np.inf)
    assert np.all(np.isnan(C[3, 0]))
    assert np.all(np.isfinite(np.delete(C, [2, 3], 0)))
    B[2, -1, -1] = 0
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="invalid"):
        kernels.matmul(A, B)
    A[2, -1, -1], B[2, -1, -1] = np.finfo(dtype).max, 2
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        kernels.matmul(A, B)


def test_the_number_of_threads_changes_no_bit(
    kernels: ModuleType, rng: np.random.Generator
) -> None:
    A, B = rng.normal(size=(3000, 7, 9)), rng.normal(size=(3000, 9, 10))
    before = kernels.get_num_threads()
    kernels.set_num_threads(1)
    try:
        alone = kernels.matmul(A, B)
    finally:
        kernels.set_num_threads(before)
    np.testing.assert_array_equal(kernels.matmul(A, B), alone)
