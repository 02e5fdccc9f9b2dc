"""Dask hands its chunks to the kernels, since they are generalized ufuncs."""

from typing import Any

import dask.array as da
import numpy as np
import pytest

from tests.linalg.judges import assert_same_bits
from tests.linalg.samples import Array, arguments_of, results


def chunked(X: Array, *sizes: int) -> Any:
    """Return X in chunks of these sizes along the first axes, whole along the others."""
    chunks = (*sizes, *X.shape[len(sizes) :])
    return da.from_array(X, chunks=chunks)


def computed(lazy: tuple[Any, ...]) -> tuple[Array, ...]:
    return tuple(result.compute() for result in lazy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_give_the_bits_of_the_whole(
    kernel: np.ufunc, rng: np.random.Generator, name: str, dtype: type[np.floating]
) -> None:
    for n in (1, 3, 6, 18):
        arguments = arguments_of(name, rng, n, (11,), dtype)
        lazy = results(kernel, *(chunked(a, 4) for a in arguments))
        assert all(isinstance(result, da.Array) for result in lazy)
        expected = results(kernel, *arguments)
        assert tuple(r.dtype for r in lazy) == tuple(r.dtype for r in expected)
        assert tuple(r.shape for r in lazy) == tuple(r.shape for r in expected)
        assert_same_bits(computed(lazy), expected)


def test_integers_are_float64_in_dask_too(
    kernel: np.ufunc, rng: np.random.Generator, name: str
) -> None:
    arguments = arguments_of(name, rng, 3, (11,), np.int16)
    lazy = results(kernel, *(chunked(a, 4) for a in arguments))
    with np.errstate(invalid="ignore"):
        assert_same_bits(computed(lazy), results(kernel, *arguments))


def test_batches_broadcast_across_chunks(
    kernel: np.ufunc, rng: np.random.Generator, name: str
) -> None:
    first, *others = arguments_of(name, rng, 4, (2, 6))
    others = [other[0] for other in others]
    lazy = results(kernel, chunked(first, 1, 3), *(chunked(other, 3) for other in others))
    assert_same_bits(computed(lazy), results(kernel, first, *others))
