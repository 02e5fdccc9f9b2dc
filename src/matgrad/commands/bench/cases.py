"""What is measured: an operation on a batch of matrices of one size and dtype.

All matrices are X = U diag(s) V' with random orthogonal U and V, s of random signs and between
1/2 and 2 times a common scale such that |det X| is between 1/2 and 2, too: pivots are not on the
diagonal, and nothing over- or underflows, in float32 at n = 512 neither. Drawing them costs more
than any operation, so a large batch repeats a sample.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from matgrad.commands.natives import NATIVES

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]

SAMPLE_ENTRIES = 2**18


@dataclass(frozen=True)
class Operation:
    """A function of one or more square matrices.

    Attributes
    ----------
    matrices
        How many matrices it takes.
    flops
        The useful operations for one matrix of size n, in which a fused one counts twice.
    entries
        The numbers that one matrix of size n needs read and written, each once.
    """

    matrices: int
    flops: Callable[[int], float]
    entries: Callable[[int], int]


OPERATIONS = {
    "trace": Operation(1, lambda n: n, lambda n: n + 1),
    "trace_product": Operation(2, lambda n: 2 * n**2, lambda n: 2 * n**2 + 1),
    "quadratic_trace": Operation(3, lambda n: 4 * n**3, lambda n: 3 * n**2 + 1),
    "quadratic_trace_and_gradient": Operation(3, lambda n: 8 * n**3, lambda n: 4 * n**2 + 1),
    "det": Operation(1, lambda n: 2 / 3 * n**3, lambda n: n**2 + 1),
    "slogdet": Operation(1, lambda n: 2 / 3 * n**3, lambda n: n**2 + 2),
    "inv": Operation(1, lambda n: 2 * n**3, lambda n: 2 * n**2),
    "adjugate": Operation(1, lambda n: 2 * n**3, lambda n: 2 * n**2),
    "det_and_gradient": Operation(1, lambda n: 2 * n**3, lambda n: 2 * n**2 + 1),
    "slogdet_and_gradient": Operation(1, lambda n: 2 * n**3, lambda n: 2 * n**2 + 2),
}


@dataclass(frozen=True)
class Case:
    """An operation on a batch of matrices of size n.

    Examples
    --------
    >>> from matgrad.commands.bench.cases import Case
    >>> case = Case("det", 3, "float64", 1000)
    >>> case.flops, case.bytes
    (18000.0, 80000)
    """

    operation: str
    n: int
    dtype: str
    batch: int

    @property
    def flops(self) -> float:
        """The useful operations for the whole batch."""
        return self.batch * OPERATIONS[self.operation].flops(self.n)

    @property
    def bytes(self) -> int:
        """The bytes that the whole batch needs read and written."""
        entries = OPERATIONS[self.operation].entries(self.n)
        return self.batch * entries * np.dtype(self.dtype).itemsize

    def arguments(self) -> Arrays:
        """Return the batch: the sample, repeated."""
        return tuple(matrices[np.arange(self.batch) % len(matrices)] for matrices in self._sample)

    def error(self, outputs: Arrays) -> float:
        """Return the largest error of any matrix of the batch as a part of what is allowed.

        Errors are measured as `matgrad check` does, in float64 beside NumPy, and 16 times as much
        is allowed: implementations that take other ways are to pass, other results are not.
        NaN, and an output that is missing or has another shape or dtype, is an infinite error.
        """
        native = next(native for native in NATIVES if native.name == self.operation)
        exact = tuple(matrices.astype(np.float64) for matrices in self._sample)
        expected = native.judged(*exact)
        scales = native.scale(native, exact, expected)
        due = [((self.batch, *right.shape[1:]), self.dtype) for right in expected]
        if [(output.shape, output.dtype.name) for output in outputs] != due:
            return np.inf
        roundoff = np.finfo(self.dtype).eps / 2
        allowed = 16 * native.rounding(self.n, "float64") * roundoff
        errors = [_largest_error(*answer) for answer in zip(outputs, expected, scales, strict=True)]
        return float(np.nan_to_num(np.max(errors) / allowed, nan=np.inf))

    @cached_property
    def _sample(self) -> Arrays:
        size = min(self.batch, max(2, min(2**14, SAMPLE_ENTRIES // self.n**2)))
        shape = (OPERATIONS[self.operation].matrices, size, 1, self.n)
        rng = np.random.default_rng(self.n)
        U, V = np.linalg.qr(rng.standard_normal((2, *shape[:2], self.n, self.n))).Q
        octaves = rng.uniform(-1, 1, shape)
        octaves += (rng.uniform(-1, 1, shape[:-1]) - octaves.sum(axis=-1))[..., None] / self.n
        s = np.copysign(2**octaves, rng.standard_normal(shape))
        return tuple((U * s @ V.mT).astype(self.dtype))


def _largest_error(output: Array, expected: Array, scale: Array) -> float:
    """Compare a batch with the sample that it repeats, a sample's length at a time."""
    sample = len(expected)
    errors = [
        np.max(np.abs(output[start : start + sample] - expected[:rest]) / scale[:rest])
        for start in range(0, len(output), sample)
        for rest in [min(sample, len(output) - start)]
    ]
    return float(np.max(errors))


def fitting(operation: str, n: int, dtype: str, room: int, least: int) -> Case:
    """Return the case whose matrices fill `room` bytes, or are as few as `least`.

    Examples
    --------
    >>> from matgrad.commands.bench.cases import fitting
    >>> fitting("inv", 8, "float64", room=2**18, least=16).batch
    512
    """
    bytes_of_one = OPERATIONS[operation].matrices * n**2 * np.dtype(dtype).itemsize
    return Case(operation, n, dtype, max(least, room // bytes_of_one))
