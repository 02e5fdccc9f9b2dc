"""Memory in any arrangement holds the same matrices; what is read is never written."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.linalg.judges import assert_same_bits
from tests.linalg.samples import SIGNATURES, Array, arguments_of, results

SIZES = [1, 2, 3, 4, 5, 8, 18, 30]


@pytest.fixture(autouse=True)
def _singular_matrices_are_expected() -> Iterator[None]:
    with np.errstate(invalid="ignore"):
        yield


def ordinary_and_singular(
    name: str, rng: np.random.Generator, n: int, dtype: type[np.floating] = np.float64
) -> tuple[Array, ...]:
    """Return a batch of arguments; every third matrix has no first column.

    Elimination treats such matrices apart and may come back to the memory where they lie.
    """
    arguments = arguments_of(name, rng, n, (11,), dtype)
    arguments[0][::3, :, 0] = 0
    return arguments


def every_second(X: Array) -> Array:
    padded = np.full(tuple(2 * size for size in X.shape), np.nan, X.dtype)
    view = padded[tuple(slice(None, None, 2) for _ in X.shape)]
    view[...] = X
    return view


def reversed_axes(X: Array) -> Array:
    return np.flip(np.flip(X).copy())


def unaligned(X: Array) -> Array:
    memory = np.empty(X.nbytes + 1, np.uint8)
    view = memory[1:].view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


def field(X: Array) -> Array:
    records = np.zeros(X.shape, [("flag", "u1"), ("x", X.dtype)])
    records["x"] = X
    return records["x"]


def batch_last(X: Array) -> Array:
    return np.moveaxis(np.moveaxis(X, 0, -1).copy(), -1, 0)


def transposed(X: Array) -> Array:
    return X.mT.copy().mT


def part_of_larger(X: Array) -> Array:
    larger = np.full((X.shape[0] + 2, X.shape[1] + 3, X.shape[2] + 1), np.nan, X.dtype)
    larger[1:-1, 2:-1, :-1] = X
    return larger[1:-1, 2:-1, :-1]


def read_only(X: Array) -> Array:
    view = X.copy()
    view.flags.writeable = False
    return view


def byteswapped(X: Array) -> Array:
    return X.astype(X.dtype.newbyteorder())


WRITABLE = [
    np.asfortranarray,
    every_second,
    reversed_axes,
    unaligned,
    field,
    batch_last,
    transposed,
    part_of_larger,
    byteswapped,
]

arrangements = pytest.mark.parametrize("arrange", [*WRITABLE, read_only], ids=lambda f: f.__name__)
precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@arrangements
@precisions
def test_any_arrangement_of_the_input_gives_the_same_bits(
    kernel: np.ufunc,
    rng: np.random.Generator,
    name: str,
    arrange: Callable[[Array], Array],
    dtype: type[np.floating],
) -> None:
    for n in SIZES:
        arguments = ordinary_and_singular(name, rng, n, dtype)
        arranged = tuple(map(arrange, arguments))
        assert_same_bits(results(kernel, *arranged), results(kernel, *arguments))
        assert_same_bits(tuple(a.astype(dtype) for a in arranged), arguments)
        single = results(kernel, *(a[4] for a in arranged))
        assert_same_bits(single, results(kernel, *(a[4] for a in arguments)))


@pytest.mark.parametrize("arrange", WRITABLE, ids=lambda f: f.__name__)
@precisions
def test_any_arrangement_of_the_output_gets_the_same_bits(
    kernel: np.ufunc,
    rng: np.random.Generator,
    name: str,
    arrange: Callable[[Array], Array],
    dtype: type[np.floating],
) -> None:
    for n in SIZES:
        arguments = ordinary_and_singular(name, rng, n, dtype)
        expected = results(kernel, *arguments)
        blank = tuple(np.full_like(r, np.nan) for r in expected)
        out = tuple(
            arrange(b) if b.ndim == 3 else arrange(b[:, None, None])[:, 0, 0] for b in blank
        )
        returned = results(kernel, *arguments, out=out)
        assert all(r is o for r, o in zip(returned, out, strict=True))
        assert_same_bits(tuple(o.astype(dtype) for o in out), expected)


def test_memory_mapped_input_gives_the_same_bits(
    kernel: np.ufunc, rng: np.random.Generator, name: str, tmp_path: Path
) -> None:
    for n in SIZES:
        arguments = ordinary_and_singular(name, rng, n)
        for k, argument in enumerate(arguments):
            np.save(tmp_path / f"{n}-{k}.npy", argument)
        mapped = (np.load(tmp_path / f"{n}-{k}.npy", mmap_mode="r") for k in range(len(arguments)))
        assert_same_bits(results(kernel, *mapped), results(kernel, *arguments))


def test_broadcast_input_gives_the_same_bits(
    kernel: np.ufunc, rng: np.random.Generator, name: str
) -> None:
    for n in SIZES:
        one = arguments_of(name, rng, n)
        repeated = tuple(np.broadcast_to(a, (13, *a.shape)) for a in one)
        expected = results(kernel, *(np.ascontiguousarray(a) for a in repeated))
        assert_same_bits(results(kernel, *repeated), expected)


@pytest.mark.parametrize("n", SIZES)
def test_one_number_broadcast_to_a_matrix_is_a_matrix(kernels: ModuleType, n: int) -> None:
    X = np.broadcast_to(np.float64(3), (5, n, n))
    for name in ("trace", "det", "adjugate", "det_and_gradient"):
        kernel = getattr(kernels, name)
        assert_same_bits(results(kernel, X), results(kernel, X.copy()))
    assert_same_bits(kernels.trace_product(X, X), kernels.trace_product(X.copy(), X.copy()))


def test_input_is_never_written(kernel: np.ufunc, rng: np.random.Generator, name: str) -> None:
    for n in (*SIZES, 40, 100):
        arguments = ordinary_and_singular(name, rng, n)
        copies = tuple(a.copy() for a in arguments)
        kernel(*arguments)
        assert_same_bits(arguments, copies)


# Where the matrix that comes out may lie, given memory for the batch and a little more.
OVERLAPS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "the same": lambda X, extra: (X, X),
    "transposed": lambda X, extra: (X, X.mT),
    "reversed batch": lambda X, extra: (X, X[::-1]),
    "reversed rows": lambda X, extra: (X, X[:, ::-1]),
    "a matrix before": lambda X, extra: (extra[1:], extra[:-1]),
    "a matrix after": lambda X, extra: (extra[:-1], extra[1:]),
    "a number before": lambda X, extra: _shifted(extra, X.shape, 1)[::-1],
    "a number after": lambda X, extra: _shifted(extra, X.shape, 1),
    "a row after": lambda X, extra: _shifted(extra, X.shape, X.shape[-1]),
}


def _shifted(memory: Array, shape: tuple[int, ...], by: int) -> tuple[Array, Array]:
    flat, size = memory.reshape(-1), int(np.prod(shape))
    return flat[:size].reshape(shape), flat[by : by + size].reshape(shape)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("n", [*SIZES, 33, 97])
def test_output_may_overlap_the_input(
    kernels: ModuleType, rng: np.random.Generator, overlap: str, n: int
) -> None:
    for name in ("inv", "adjugate", "det_and_gradient", "slogdet_and_gradient"):
        X, extra = rng.normal(size=(13, n, n)), rng.normal(size=(14, n, n))
        source, target = OVERLAPS[overlap](X, extra)
        source[::3, :, 0] = 0
        kernel = getattr(kernels, name)
        expected = results(kernel, source.copy())
        out = (*(None for _ in expected[1:]), target)
        returned = results(kernel, source, out=out)
        assert returned[-1] is target
        assert_same_bits(returned, expected)


@pytest.mark.parametrize("n", [*SIZES, 33, 97])
def test_a_single_matrix_may_be_replaced_by_its_result(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    for name in ("inv", "adjugate", "det_and_gradient", "slogdet_and_gradient"):
        for view in (np.asarray, np.transpose, np.flipud):
            for X in (rng.normal(size=(n, n)), np.triu(rng.normal(size=(n, n)), 1)):
                kernel = getattr(kernels, name)
                expected = results(kernel, X.copy())
                out = (*(None for _ in expected[1:]), view(X))
                assert_same_bits(results(kernel, X, out=out), expected)


@pytest.mark.parametrize("name", ["inv", "adjugate"])
@pytest.mark.parametrize("axes", [[(0, 1), (1, 2)], [(1, 2), (2, 1)], [(0, 2), (0, 1)]])
def test_output_may_be_the_input_with_its_matrices_on_other_axes(
    kernels: ModuleType, rng: np.random.Generator, name: str, axes: list[tuple[int, int]]
) -> None:
    for n in (3, 5, 9, 20, 40):
        X = rng.normal(size=(n, n, n))
        expected = getattr(kernels, name)(X.copy(), axes=axes)
        assert_same_bits(getattr(kernels, name)(X, out=X, axes=axes), expected)


@pytest.mark.parametrize("n", SIZES)
def test_numbers_may_be_written_into_the_matrices_that_they_come_from(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    for name in ("trace", "det", "slogdet", "det_and_gradient"):
        X = rng.normal(size=(13, n, n))
        kernel = getattr(kernels, name)
        expected = results(kernel, X.copy())
        out = (X[:, n // 2, 0], *(None for _ in expected[1:]))
        assert_same_bits(results(kernel, X, out=out), expected)


@pytest.mark.parametrize("n", SIZES)
def test_gradient_of_the_quadratic_may_replace_any_argument(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    kernel = kernels.quadratic_trace_and_gradient
    for k in range(3):
        for view in (np.asarray, np.matrix_transpose, np.flipud):
            arguments = arguments_of("quadratic_trace", rng, n, (13,), m=n)
            expected = kernel(*(a.copy() for a in arguments))
            assert_same_bits(kernel(*arguments, out=(None, view(arguments[k]))), expected)


def test_results_may_share_nothing_with_the_next_call(
    kernel: np.ufunc, rng: np.random.Generator, name: str
) -> None:
    for n in (2, 6, 20):
        first = results(kernel, *arguments_of(name, rng, n, (9,)))
        kept = tuple(r.copy() for r in first)
        kernel(*arguments_of(name, rng, n, (9,)))
        assert_same_bits(first, kept)


def test_axes_say_where_the_matrices_are(
    kernel: np.ufunc, rng: np.random.Generator, name: str
) -> None:
    outputs = SIGNATURES[name].split("->")[1]
    for n in SIZES:
        arguments = arguments_of(name, rng, n, (4, 3))
        first = tuple(np.moveaxis(a, (-2, -1), (0, 1)) for a in arguments)
        axes: list[tuple[int, ...]] = [(0, 1)] * len(arguments)
        axes += [(-2, -1) if core else () for core in _cores(outputs)]
        assert_same_bits(results(kernel, *first, axes=axes), results(kernel, *arguments))


def _cores(side: str) -> list[str]:
    """Return what stands inside the parentheses: an empty text for a number."""
    return side.removeprefix("(").removesuffix(")").split("),(")
