"""A sweep: all moves of all points differenced, block by block."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matgrad.differences.blocks import Block, blocks
from matgrad.differences.evaluation import Evaluation
from matgrad.differences.extrapolation import COLUMNS, extrapolate
from matgrad.differences.moves import Moves, Pattern
from matgrad.differences.noise import rounding_noise
from matgrad.differences.points import Array, precision
from matgrad.differences.progress import Report
from matgrad.differences.results import Measured
from matgrad.differences.schemes import SCHEMES, quotient, quotient_error
from matgrad.differences.steps import Method, Room


@dataclass(frozen=True)
class Sweep:
    """What is differenced, and how: the general path, which calls any function.

    All that `jacobian` asks of a sweep is that `run` yields measured blocks. A function that can
    be differenced without calls, as a kernel can in compiled code, takes another sweep there.
    """

    evaluation: Evaluation
    moves: Moves
    room: Room
    pattern: Pattern | None
    method: Method
    step: Array  # (points, entries), signed
    judged: bool  # whether errors are wanted too
    noise: Array | None = None  # the rounding (points, outputs) in f, where it is known already

    def run(self, max_bytes: int, report: Report) -> Iterator[Measured]:
        """Measure block by block; what a block holds fits `max_bytes`, if one row of it does."""
        noise, rows = self._noise(), self._rows(max_bytes)
        done, total = 0, self.moves.count if self.pattern is None else self.pattern.size
        for block in blocks(self.evaluation.points, self.room, self.moves, self.pattern, rows):
            yield self._measure(block, noise)
            done += block.size
            report(done, total)

    def _measure(self, block: Block, noise: Array) -> Measured:
        step = self.step.T[self.moves.first[block.moves]]
        if self.method == "adaptive":
            best = extrapolate(block, self.evaluation, step, noise)
            return Measured(block, best.derivative, best.error, best.step)
        scheme = SCHEMES[self.method]
        measured = quotient(block, self.evaluation, scheme, step)
        if not self.judged:
            return Measured(block, measured.derivative)
        error = quotient_error(block, self.evaluation, scheme, step, measured, noise)
        return Measured(block, measured.derivative, error, measured.width)

    def _noise(self) -> Array:
        """Return the rounding (points, outputs) in f; no method without an error needs it."""
        if self.noise is not None:
            return self.noise
        if self.method == "cs" or not (self.judged or self.method == "adaptive"):
            return np.zeros(self.evaluation.base.shape)
        x, base = self.evaluation.points.flat, self.evaluation.base
        noise = rounding_noise(self.evaluation.explore, x, self.moves.owner, self.room)
        least: Array = precision(base.dtype) * np.abs(base) / 2
        return np.maximum(noise, least)

    def _rows(self, max_bytes: int) -> int:
        """Return how many rows of a stack fit: each a copy of x, its guard, and its values."""
        points, base = self.evaluation.points.flat, self.evaluation.base
        wide = 2 if self.method == "cs" else 1
        held = 3 * COLUMNS if self.method == "adaptive" else 2
        row: int = 8 * wide * (2 * points.size + held * base.size)
        return max(1, max_bytes // max(1, row))
