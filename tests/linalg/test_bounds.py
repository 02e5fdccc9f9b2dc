"""Kernels stay within their matrices, which lie between pages that nobody may touch."""

import ctypes
import mmap
import os
from collections.abc import Callable, Iterator
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


Rooms = tuple[Room, Room, Room, Room]


@pytest.fixture(scope="module")
def rooms() -> Iterator[Rooms]:
    """Return room for three operands and a result."""
    rooms = Room(), Room(), Room(), Room()
    yield rooms
    for room in rooms:
        room.protect(mmap.PROT_READ | mmap.PROT_WRITE)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_stay_within_their_matrices(
    kernels: ModuleType, rooms: Rooms, dtype: type, at_end: bool
) -> None:
    sizes = (1, 2, 3, 4, 5, 8, 9, 16, 17, 23)
    for m, k, n, a_lies, b_lies in product(sizes, sizes, sizes, (False, True), (False, True)):
        A = rooms[0].array((3, k, m) if a_lies else (3, m, k), dtype, at_end=at_end)
        B = rooms[1].array((3, n, k) if b_lies else (3, k, n), dtype, at_end=at_end)
        C = rooms[2].array((3, m, n), dtype, at_end=at_end)
        kernels.matmul(A.mT if a_lies else A, B.mT if b_lies else B, out=C)
        assert np.all(k == C)


# How a matrix may lie: the matrix itself from an array, and the array's shape from the matrix's.
APART: dict[str, tuple[Callable[[Array], Array], Callable[[int, int], tuple[int, int]]]] = {
    "rows": (lambda A: A, lambda m, n: (m, n)),
    "columns": (lambda A: A.mT, lambda m, n: (n, m)),
    "every second column": (lambda A: A[..., ::2], lambda m, n: (m, 2 * n - 1)),
    "backwards": (lambda A: A[..., ::-1, ::-1], lambda m, n: (m, n)),
}


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["matmul_plus", "matmul_minus", "minus_matmul"])
def test_sums_with_products_stay_within_their_matrices(
    kernels: ModuleType, rooms: Rooms, name: str, dtype: type, at_end: bool
) -> None:
    sizes = (1, 2, 4, 7, 8, 9)
    expected: dict[str, Callable[[int], int]] = {
        "matmul_plus": lambda k: k + 1,
        "matmul_minus": lambda k: k - 1,
        "minus_matmul": lambda k: 1 - k,
    }
    for (m, k, n), (view, shape) in product(product(sizes, (1, 3, 8), sizes), APART.values()):
        A, B, D, C = (
            view(room.array((3, *shape(*size)), dtype, at_end=at_end))
            for room, size in zip(rooms, ((m, k), (k, n), (m, n), (m, n)), strict=True)
        )
        getattr(kernels, name)(A, B, D, out=C)
        assert np.all(expected[name](k) == C)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 5), (23, 23), (33, 16), (16, 33), (20, 60), (60, 20)])
def test_quadratic_traces_stay_within_their_matrices(
    kernels: ModuleType,
    rooms: Rooms,
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


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_quadratic_traces_stay_within_their_matrices(
    kernels: ModuleType, rooms: Rooms, dtype: type, at_end: bool
) -> None:
    for n, m in product(range(1, 10), repeat=2):
        for view, shape in APART.values():
            X, A, Q, G = (
                view(room.array((3, *shape(*size)), dtype, at_end=at_end))
                for room, size in zip(rooms, ((n, m), (m, m), (n, n), (n, m)), strict=True)
            )
            kernels.quadratic_trace_and_gradient(X, A, Q, out=(None, G))
            assert np.all(2 * n * m == G)
            assert np.all(kernels.quadratic_trace(X, A, Q) == (n * m) ** 2)
