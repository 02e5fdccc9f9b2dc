"""Kernels stay within their matrices, which lie between pages that nobody may touch."""

import ctypes
import mmap
import os
from collections.abc import Iterator
from itertools import product
from types import ModuleType

import numpy as np
import pytest

from tests.linalg.samples import Array

SIZE = 16 * mmap.PAGESIZE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX has mprotect")


class Room:
    """Memory between two pages that nobody may touch."""

    def __init__(self) -> None:
        self.mapped = mmap.mmap(-1, SIZE + 2 * mmap.PAGESIZE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.mapped))
        self.bytes: Array = np.frombuffer(self.mapped, np.uint8)[mmap.PAGESIZE :][:SIZE]
        self.protect(0)

    def protect(self, mode: int) -> None:
        """Set what may be done with the two pages."""
        libc = ctypes.CDLL(None)
        for offset in (0, mmap.PAGESIZE + SIZE):
            place = ctypes.c_void_p(self.address + offset)
            assert libc.mprotect(place, ctypes.c_size_t(mmap.PAGESIZE), mode) == 0

    def array(self, shape: tuple[int, ...], dtype: type, *, at_end: bool) -> Array:
        """Return an array at one end of the memory, filled with ones."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        part = self.bytes[SIZE - size :] if at_end else self.bytes[:size]
        array: Array = part.view(dtype).reshape(shape)
        array[...] = 1
        return array


@pytest.fixture(scope="module")
def rooms() -> Iterator[tuple[Room, Room, Room]]:
    """Return room for two factors and a result."""
    rooms = Room(), Room(), Room()
    yield rooms
    for room in rooms:
        room.protect(mmap.PROT_READ | mmap.PROT_WRITE)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_stay_within_their_matrices(
    kernels: ModuleType, rooms: tuple[Room, Room, Room], dtype: type, at_end: bool
) -> None:
    sizes = (1, 2, 3, 5, 8, 9, 16, 17, 23)
    for m, k, n, a_lies, b_lies in product(sizes, sizes, sizes, (False, True), (False, True)):
        A = rooms[0].array((3, k, m) if a_lies else (3, m, k), dtype, at_end=at_end)
        B = rooms[1].array((3, n, k) if b_lies else (3, k, n), dtype, at_end=at_end)
        C = rooms[2].array((3, m, n), dtype, at_end=at_end)
        kernels.matmul(A.mT if a_lies else A, B.mT if b_lies else B, out=C)
        assert np.all(k == C)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 5), (23, 23), (33, 16), (16, 33), (20, 60), (60, 20)])
def test_quadratic_traces_stay_within_their_matrices(
    kernels: ModuleType,
    rooms: tuple[Room, Room, Room],
    shape: tuple[int, int],
    dtype: type,
    at_end: bool,
) -> None:
    n, m = shape
    X = rooms[0].array((n, m), dtype, at_end=at_end)
    A = rooms[1].array((m, m), dtype, at_end=at_end)
    Q = rooms[2].array((n, n), dtype, at_end=at_end)
    value, gradient = kernels.quadratic_trace_and_gradient(X, A, Q)
    assert value == (n * m) ** 2
    assert np.all(gradient == 2 * n * m)
