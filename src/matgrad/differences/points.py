"""The points at which a function is differenced: batch axes first, then argument axes."""

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Points:
    """A batch of points, one row for each, and the shapes that the rows had."""

    flat: Array  # (points, entries)
    batch: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, x: npt.ArrayLike, ndim: int, caller: str) -> "Points":
        """Take the last `ndim` axes of `x` as the argument, those before as the batch."""
        array = _real(np.asarray(x), caller)
        if not isinstance(ndim, Integral):
            raise TypeError(f"{caller} needs ndim to be a whole number; got {ndim!r}")
        if not 0 <= ndim <= array.ndim:
            raise ValueError(
                f"{caller} needs ndim between 0 and the {array.ndim} axes of x; got {ndim}"
            )
        split = array.ndim - ndim
        batch, shape = array.shape[:split], array.shape[split:]
        points = cls(array.reshape(math.prod(batch), math.prod(shape)), batch, shape)
        points._require_finite(caller)
        return points

    @property
    def size(self) -> int:
        """The number of points."""
        return len(self.flat)

    def stacked(self, stack: Array) -> Array:
        """Give the rows of a stack (k, points, entries) the shape that a function sees."""
        return stack.reshape(len(stack), *self.batch, *self.shape)

    def broadcast(self, values: npt.ArrayLike, name: str, caller: str) -> Array:
        """Return `values`, one for each entry of x or fewer, as rows like ``flat``."""
        array = np.asarray(values, dtype=float)
        try:
            full = np.broadcast_to(array, self.batch + self.shape)
        except ValueError:
            raise ValueError(
                f"{caller} needs a {name} that broadcasts to the shape {self.batch + self.shape} "
                f"of x; got shape {array.shape}"
            ) from None
        return full.reshape(self.flat.shape)

    def name(self, point: int, moved: Array | None = None) -> str:
        """Name a point in a message: where in the batch, what was moved, its value."""
        place = np.unravel_index(point, self.batch) if self.batch else ()
        where = f"point {tuple(map(int, place))} of the batch" if self.batch else "the point"
        row = self.flat[point] if moved is None else moved
        entries = np.flatnonzero(row != self.flat[point])
        change = ""
        if 0 < len(entries) <= 2:
            index = tuple(map(int, np.unravel_index(entries[0], self.shape))) if self.shape else ()
            size = row[entries[0]] - self.flat[point, entries[0]]
            change = f", entry {index} moved by {size:.3g},"
        value = np.array2string(row.reshape(self.shape), threshold=12, edgeitems=2, precision=6)
        return f"{where}{change} x = {' '.join(value.split())}"

    def _require_finite(self, caller: str) -> None:
        bad = ~np.isfinite(self.flat).all(axis=1)
        if bad.any():
            raise ValueError(f"{caller} needs finite points; got {self.name(int(bad.argmax()))}")


@dataclass(frozen=True)
class Stack:
    """Copies of all points, in which some entries have moved."""

    points: Array  # (k, points, entries)
    x: Array  # (points, entries), what the others still are
    places: tuple[Array, Array]  # rows of the stack, and entries in them, that have moved
    goal: Array  # (places, points), where to

    def is_unchanged(self) -> bool:
        """Return whether nobody has written to it: cheaper than a copy to compare with."""
        rows, entries = self.places
        moved = np.count_nonzero(self.goal != self.x[:, entries].T)
        return np.array_equal(self.points[rows, :, entries], self.goal) and (
            np.count_nonzero(self.points != self.x) == moved
        )


def _real(array: Array, caller: str) -> Array:
    if array.dtype.kind in "biu":
        return array.astype(float)
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{caller} takes float32 or float64 points; got {array.dtype}")
    return array


def typical_size(x: Array) -> Array:
    """Return the root mean square of each row (points, 1), safe from over- and underflow."""
    largest = np.abs(x.astype(float)).max(axis=1, keepdims=True, initial=0)
    relative = x / np.where(largest > 0, largest, 1.0)
    size: Array = largest * np.sqrt(np.mean(relative**2, axis=1, keepdims=True))
    return size


def precision(*dtypes: np.dtype[Any]) -> float:
    """Return the largest machine epsilon among the floating dtypes, else that of float64."""
    return max(float(np.finfo(d).eps) if d.kind in "fc" else 2.0**-52 for d in dtypes)
