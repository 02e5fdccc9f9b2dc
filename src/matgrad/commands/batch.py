"""A function of matrices on batches in files: whether they fit, and its value and gradient."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from matgrad.commands.errors import UsageError
from matgrad.commands.functions import Function
from matgrad.streaming import Box, Source, broadcast_box

Array = npt.NDArray[Any]

GROUP_BYTES = 64
"""The widest lanes, on which a kernel takes a group of matrices at a time."""


@dataclass(frozen=True)
class Batch:
    """A function on the arrays of files, whose shapes and dtypes fit."""

    function: Function
    sources: Mapping[str, Source]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, function: Function, sources: Mapping[str, Source]) -> "Batch":
        """Check that the arrays suit the function."""
        _check_axes(function, sources)
        dtype = np.result_type(*(_working_dtype(name, X) for name, X in sources.items()))
        return cls(function, sources, _batch_shape(function, sources), dtype)

    @property
    def gradient_shape(self) -> tuple[int, ...]:
        """The shape of the gradients together."""
        return self.shape + _core(self.function, self.function.wrt, self.sources)

    def points_within(self, block_bytes: int) -> int:
        """Return how many points of the batch, one at the least, fit into this much memory.

        A point costs its matrices as they are in the file and again as the kernels want them,
        its results, and some times its largest matrix for what is computed in between: twice for a
        kernel's work space, as each of several threads may have some. Beside the points stand the
        constants and the work on one group.
        """
        cores = {name: _core(self.function, name, self.sources) for name in self.sources}
        entries = {name: prod(core) for name, core in cores.items()}
        largest = max(entries.values())
        beside = 2 * GROUP_BYTES * largest
        results = 1 + entries[self.function.wrt]
        point = self.dtype.itemsize * (results + self.function.work * largest)
        for name, source in self.sources.items():
            matrix = entries[name] * (source.dtype.itemsize + self.dtype.itemsize)
            if source.shape == cores[name]:
                beside += matrix
            else:
                point += matrix
        return max(1, (block_bytes - beside) // point)

    def value_and_gradient(self, box: Box) -> tuple[Array, Array]:
        """Return the values and the gradients in a box of the batch."""
        arrays = {name: self._block(name, box) for name in self.sources}
        try:
            with np.errstate(all="ignore"):
                value, gradient = self.function.value_and_gradient(**arrays)
        except UsageError:
            raise
        except ValueError:  # a length such as m*n is no product of the others
            raise _misfit(self.function, self.sources) from None
        points = tuple(map(len, box))
        return (
            np.broadcast_to(value, points),
            np.broadcast_to(gradient, points + self.gradient_shape[len(self.shape) :]),
        )

    def _block(self, name: str, box: Box) -> Array:
        """Return a variable's part of the box, as the kernels want it."""
        source = self.sources[name]
        core = _core(self.function, name, self.sources)
        batch = source.shape[: len(source.shape) - len(core)]
        block = source.block((*broadcast_box(box, batch), *map(range, core)))
        return np.require(block, self.dtype, ["C", "A"])


def _check_axes(function: Function, sources: Mapping[str, Source]) -> None:
    """Check that axes of one name have one length."""
    lengths: dict[str, int] = {}
    for name, axes in function.axes.items():
        shape = sources[name].shape
        if len(shape) < len(axes) or any(
            lengths.setdefault(axis, length) != length
            for axis, length in zip(axes, _core(function, name, sources), strict=True)
        ):
            raise _misfit(function, sources)


def _misfit(function: Function, sources: Mapping[str, Source]) -> UsageError:
    needed = ", ".join(f"{n} ({', '.join(('...', *a))})" for n, a in function.axes.items())
    return UsageError(f"{function.text} needs {needed}; got {_shapes(sources)}")


def _core(function: Function, name: str, sources: Mapping[str, Source]) -> tuple[int, ...]:
    """Return the shape of one point of a variable."""
    shape = sources[name].shape
    return shape[len(shape) - len(function.axes[name]) :]


def _batch_shape(function: Function, sources: Mapping[str, Source]) -> tuple[int, ...]:
    """Return the shape of the batch that all leading axes broadcast to."""
    leading = (
        source.shape[: len(source.shape) - len(function.axes[name])]
        for name, source in sources.items()
    )
    try:
        return np.broadcast_shapes(*leading)
    except ValueError as error:
        raise UsageError(f"the leading axes do not broadcast: {_shapes(sources)}") from error


def _shapes(sources: Mapping[str, Source]) -> str:
    return ", ".join(f"{name} {source.shape}" for name, source in sources.items())


def _working_dtype(name: str, source: Source) -> np.dtype[Any]:
    """Return the dtype, in the machine's byte order, in which an array is computed with."""
    if source.dtype.kind in "biu":
        return np.dtype(np.float64)
    if source.dtype.newbyteorder("=") in (np.float32, np.float64):
        return source.dtype.newbyteorder("=")
    raise UsageError(
        f"{name} in {source.name} has dtype {source.dtype}; "
        "supported are float32, float64, whole numbers and bool"
    )
