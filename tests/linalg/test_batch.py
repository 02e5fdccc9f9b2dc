"""A matrix has one result: bit for bit, wherever it stands, whoever stands beside it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.linalg.judges import assert_same_bits
from tests.linalg.samples import FACTORING, SIGNATURES, arguments_of, of_rank, results

SIZES = [1, 2, 3, 4, 5, 8, 9, 12, 16, 17, 24, 28, 29, 32, 33, 48]

precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


@given(st.sampled_from(sorted(SIGNATURES)), st.integers(1, 20), st.integers(1, 40), seeds)
def test_permuting_the_batch_permutes_the_result(
    kernels: ModuleType, name: str, n: int, batch: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    kernel = getattr(kernels, name)
    arguments = arguments_of(name, rng, n, (batch,))
    order = rng.permutation(batch)
    permuted = results(kernel, *(a[order] for a in arguments))
    assert_same_bits(permuted, tuple(r[order] for r in results(kernel, *arguments)))


@precisions
@pytest.mark.parametrize("n", [*SIZES, 35, 36, 65, 68, 97])
def test_the_size_of_the_batch_changes_no_bit(
    kernel: np.ufunc, rng: np.random.Generator, name: str, n: int, dtype: type[np.floating]
) -> None:
    batch = 1000 if n <= 17 else 200 if n <= 33 else 40
    arguments = arguments_of(name, rng, n, (batch,), dtype)
    whole = results(kernel, *arguments)
    for size in (1, 3, 17, 100):
        for start in (0, 5):
            few = slice(start, start + size)
            part = results(kernel, *(a[few] for a in arguments))
            assert_same_bits(part, tuple(r[few] for r in whole))


@precisions
@pytest.mark.parametrize("n", [*SIZES, 35, 36, 64, 65, 68, 96, 130])
def test_a_single_matrix_has_the_bits_that_it_has_in_a_batch(
    kernel: np.ufunc, rng: np.random.Generator, name: str, n: int, dtype: type[np.floating]
) -> None:
    arguments = arguments_of(name, rng, n, (19 if n <= 33 else 9,), dtype)
    whole = results(kernel, *arguments)
    for k, alone in enumerate(zip(*arguments, strict=True)):
        assert_same_bits(results(kernel, *alone), tuple(r[k] for r in whole))


@pytest.mark.parametrize(("dtype", "power", "top"), [("f8", -172, 10), ("f4", -22, 3)])
def test_denormal_results_have_the_same_bits_alone(
    kernels: ModuleType, rng: np.random.Generator, dtype: str, power: int, top: int
) -> None:
    scale = np.full((7, 1), 2.0**power)
    scale[0] = 2.0**top
    X = ((rng.uniform(-1, 1, (16, 7, 7)) + np.eye(7)) * scale).astype(dtype)
    assert_same_bits(kernels.adjugate(X), np.array([kernels.adjugate(each) for each in X]))


@pytest.mark.parametrize("name", FACTORING)
@pytest.mark.parametrize("n", SIZES)
def test_singular_neighbours_change_no_bit(
    kernels: ModuleType, rng: np.random.Generator, name: str, n: int
) -> None:
    kernel = getattr(kernels, name)
    ordinary = rng.normal(size=(60, n, n))
    mixed, alone = ordinary.copy(), results(kernel, ordinary)
    ranks = (0, n - 1, max(n - 2, 0))
    mixed[::3] = [of_rank(rng, n, ranks[k % 3]) for k in range(20)]
    kept = np.arange(60) % 3 != 0
    with np.errstate(invalid="ignore"):
        together = results(kernel, mixed)
    assert_same_bits(tuple(r[kept] for r in together), tuple(r[kept] for r in alone))


@precisions
@pytest.mark.parametrize("name", FACTORING)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_one_singular_matrix_anywhere_in_many_groups_changes_no_bit(
    kernels: ModuleType, rng: np.random.Generator, name: str, n: int, dtype: type[np.floating]
) -> None:
    kernel = getattr(kernels, name)
    X = rng.normal(size=(150, n, n)).astype(dtype)
    alone, singular = results(kernel, X), np.ones((n, n), dtype)
    with np.errstate(invalid="ignore"):
        of_singular = results(kernel, singular)
        for position in (0, 5, 63, 64, 100, 149):
            Y = X.copy()
            Y[position] = singular
            expected = tuple(each.copy() for each in alone)
            for each, one in zip(expected, of_singular, strict=True):
                each[position] = one
            assert_same_bits(results(kernel, Y), expected)


@precisions
@pytest.mark.parametrize("name", FACTORING)
@pytest.mark.parametrize("n", SIZES)
def test_huge_and_tiny_neighbours_change_no_bit(
    kernels: ModuleType, rng: np.random.Generator, name: str, n: int, dtype: type[np.floating]
) -> None:
    """Also where results are denormal numbers, which scaling in two steps rounds twice."""
    kernel = getattr(kernels, name)
    X = (rng.normal(size=(40, n, n)) + n * np.eye(n)) * 2.0 ** (-120 / n - np.log2(n))
    X = X.astype(dtype)
    mixed = X.copy()
    mixed[::4] *= dtype(2.0**30)
    mixed[1::4] *= dtype(2.0**-30)
    kept = np.arange(40) % 4 > 1
    with np.errstate(all="ignore"):
        together, alone = results(kernel, mixed), results(kernel, X[kept])
    assert_same_bits(tuple(r[kept] for r in together), alone)


@pytest.mark.parametrize("batch", [(60,), (6, 10), (3, 4, 5), (60, 1), (1, 1, 60)])
def test_the_shape_of_the_batch_changes_no_bit(
    kernel: np.ufunc, rng: np.random.Generator, name: str, batch: tuple[int, ...]
) -> None:
    for n in (1, 3, 4, 6, 18):
        flat = arguments_of(name, rng, n, (60,))
        shaped = results(kernel, *(a.reshape(*batch, *a.shape[1:]) for a in flat))
        expected = results(kernel, *flat)
        assert_same_bits(shaped, tuple(r.reshape(*batch, *r.shape[1:]) for r in expected))


@pytest.mark.parametrize(("n", "batch"), [(3, 5000), (9, 1000), (40, 40)])
def test_threads_calling_at_once_get_the_same_bits(
    kernel: np.ufunc, rng: np.random.Generator, name: str, n: int, batch: int
) -> None:
    arguments = arguments_of(name, rng, n, (batch,))
    expected = results(kernel, *arguments)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: results(kernel, *arguments), range(8)):
            assert_same_bits(got, expected)


def test_flags_of_a_thread_stay_in_that_thread(kernels: ModuleType) -> None:
    def invert(X: np.ndarray) -> str:
        try:
            with np.errstate(invalid="raise"):
                kernels.inv(X)
        except FloatingPointError:
            return "singular"
        return "regular"

    batches = [np.zeros((500, 6, 6)), np.tile(np.eye(6), (500, 1, 1))] * 10
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(invert, batches)) == ["singular", "regular"] * 10


@pytest.fixture
def threads(kernels: ModuleType) -> Iterator[Callable[[int], None]]:
    """Set the number of threads, and set it back at the end."""
    before = kernels.get_num_threads()
    yield kernels.set_num_threads
    kernels.set_num_threads(before)


@pytest.mark.parametrize(("n", "batch"), [(1, 20000), (4, 4000), (9, 999), (40, 61), (130, 5)])
def test_the_number_of_threads_changes_no_bit(
    kernel: np.ufunc,
    rng: np.random.Generator,
    threads: Callable[[int], None],
    name: str,
    n: int,
    batch: int,
) -> None:
    arguments = arguments_of(name, rng, n, (batch,))
    threads(1)
    expected = results(kernel, *arguments)
    for count in (2, 3, 7):
        threads(count)
        assert_same_bits(results(kernel, *arguments), expected)


@pytest.mark.parametrize("name", ["det", "inv", "det_and_gradient"])
@pytest.mark.parametrize("n", [257, 613, 641, 642, 865])
def test_the_threads_inside_one_large_matrix_change_no_bit(
    kernels: ModuleType, name: str, n: int, threads: Callable[[int], None]
) -> None:
    """Panels are of 32 or, for determinants from 800 rows on, 96 columns, and leave the last
    column: at 641 and 865 all are whole, at 642 the last one has one column."""
    X = np.random.default_rng(7).normal(size=(n, n)) / 10
    kernel = getattr(kernels, name)
    threads(1)
    expected = results(kernel, X)
    for count in (2, 3):
        threads(count)
        assert_same_bits(results(kernel, X), expected)


@pytest.mark.parametrize("n", [865, 1503])
def test_wide_panels_change_no_bit(kernels: ModuleType, n: int) -> None:
    """From 800 rows on determinants, from 1500 on gradients, too, are eliminated in wide panels."""
    X = np.random.default_rng(8).normal(size=(n, n)) / 40
    alone = results(kernels.slogdet, X)
    assert_same_bits(alone, results(kernels.slogdet_and_gradient, X)[:2])
    np.testing.assert_allclose(alone, np.linalg.slogdet(X), rtol=1e-12)


def test_flags_of_worker_threads_reach_the_caller(
    kernels: ModuleType, threads: Callable[[int], None]
) -> None:
    threads(4)
    for n in (3, 6, 40):
        X = np.tile(np.eye(n), (20000 // n, 1, 1))
        with np.errstate(all="raise"):
            kernels.inv(X)
        for position in (0, len(X) // 2, len(X) - 1):
            Y = X.copy()
            Y[position] = 0
            with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
                kernels.inv(Y)
            Y[position] = 1e200 * np.eye(n)
            with np.errstate(over="raise"), pytest.raises(FloatingPointError):
                kernels.det(Y)


def test_a_matrix_that_is_barely_trusted_does_not_depend_on_those_beside_it(
    kernels: ModuleType,
) -> None:
    entries = (
        ("0x1.175000842d3e8p-1", "0x0p+0", "0x1.e93ac8ea19a28p-1"),
        ("0x0p+0", "0x1.cafe42f65a2f2p+0", "0x0p+0"),
        ("0x1.d0897ca4062c0p-6", "0x0p+0", "0x1.96d46c7563a80p-5"),
    )
    X = np.array([[float.fromhex(entry) for entry in row] for row in entries])
    pair = np.stack([X, np.zeros((3, 3))])
    with np.errstate(invalid="ignore"):
        for name in ("inv", "det_and_gradient", "slogdet_and_gradient", "adjugate"):
            alone, beside = (results(getattr(kernels, name), each) for each in (X, pair))
            assert_same_bits(alone, tuple(each[0] for each in beside))
    assert_same_bits(kernels.det_and_gradient(X)[1], kernels.adjugate(X).T)
