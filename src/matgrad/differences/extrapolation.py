"""The method 'adaptive': difference quotients extrapolated to step 0, with an error estimate.

The step shrinks from the scale of x downwards; every new quotient extends a Neville table
(L. F. Richardson 1911; E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential
Equations I, II.9), and each entry keeps the element of the table with the smallest error seen so
far. The error of an element is its distance to its neighbours plus the rounding that the table
carries into it, which only grows from here on: an entry is done when the rounding of the next
quotient alone exceeds its error.

Steps far above the scale of f may agree on what is no derivative: a sine differs by nothing over
whole periods, a narrow peak is not met at all. So the steps keep off the powers of two, and the end
is a witness, one quotient with a step a thousand times shorter. An entry that it refutes has an
error as large, and begins again below unless that is a small part of it: rounding may grow towards
x and not show at x, as in (exp(x) - 1) / x.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from matgrad.differences.blocks import Block
from matgrad.differences.evaluation import Evaluation, EvaluationError
from matgrad.differences.points import Array, precision

COLUMNS = 6
RUNGS = 60
SHORTEST = 64  # units in the last place of x: below, the grid of x itself is in the way
SAFETY = 2
HOPELESS = 0.5  # relative distance of two quotients between which nothing has converged yet
FAST = 8  # ratio of steps between which nothing is expected to converge
WITNESS = 79 / 2**17  # step of the witness to the last one, commensurable with no other step
COARSE = 2.0**-10  # part of f that rounding may be
SMALL = 2.0**-10  # part of a derivative that a witness may take away by rounding


@dataclass(frozen=True)
class Rung:
    """The quotients with one step, over which width, and the rounding in them."""

    relative: float  # of the step, to the first one
    step: Array
    width: Array
    quotient: Array
    rounding: Array
    size: Array  # the largest |f|


@dataclass
class Best:
    """The best derivative so far, its error and the step it was found with."""

    derivative: Array
    error: Array
    step: Array

    @classmethod
    def none(cls, like: Array) -> "Best":
        """Start from nothing known."""
        unknown = np.full(like.shape, np.nan)
        return cls(np.full_like(like, np.nan), np.full(like.shape, np.inf), unknown)

    def improve(self, derivative: Array, error: Array, step: Array) -> None:
        """Keep the new derivatives where their error is smaller."""
        better = error < self.error
        for kept, new in zip(
            (self.derivative, self.error, self.step), (derivative, error, step), strict=True
        ):
            np.copyto(kept, new, where=better)

    def question(self, rungs: list[Rung]) -> None:
        """Forget a derivative where the last three quotients agree on another one.

        A step far above the scale of f sees another function, which may look smooth: 1/x from
        both sides of its pole, or a sine averaged over many periods.
        """
        now, before, earlier = (rung.quotient for rung in rungs)
        distance = np.abs(now - self.derivative)
        agreement = np.maximum(np.abs(now - before), np.abs(before - earlier))
        refuted = (agreement < distance / 10) & (distance > self.error + 4 * rungs[0].rounding)
        self.error[refuted] = np.inf

    def refute(self, witness: Rung, last: Rung) -> bool:
        """Widen the errors that a witness exceeds; return whether one is no small part.

        The truncation of the witness is less than that of the last quotient by the ratio of
        their steps.
        """
        self.stand_still(witness)
        distance = np.abs(witness.quotient - self.derivative)
        truncation = WITNESS * np.nan_to_num(np.abs(last.quotient - self.derivative))
        refuted = distance > self.error + 4 * witness.rounding + truncation
        self.error[refuted] = distance[refuted]
        return bool((refuted & (distance > SMALL * np.abs(self.derivative))).any())

    def stand_still(self, rung: Rung) -> None:
        """Learn, where f did not change over a width, that its rounding is as coarse.

        Unless that would leave few digits of f, as in the flat part of max(x, 0): it is constant
        then.
        """
        unseen = np.abs(self.derivative * rung.width)
        still = (rung.quotient == 0) & (unseen > 0) & (unseen <= COARSE * rung.size)
        self.error = np.where(still, np.fmax(self.error, unseen / self.step), self.error)
        rung.quotient[still] = np.nan


@dataclass
class Table:
    """The last row of the Neville table, and the relative steps of all rows."""

    power: Array  # of the step, in which the error of a quotient expands: 2 central, 1 one-sided
    steps: list[float] = field(default_factory=list)
    row: list[Array] = field(default_factory=list)
    carried: list[Array] = field(default_factory=list)  # rounding in the elements of the row

    def extend(self, rung: Rung) -> Iterator[tuple[Array, Array]]:
        """Add a quotient; return the new row's elements with their errors."""
        self.steps.append(rung.relative)
        row, carried, spreads = [rung.quotient], [rung.rounding], list[Array]()
        for column, above in enumerate(self.row[:COLUMNS], start=1):
            ratio = (self.steps[-1 - column] / rung.relative) ** self.power
            row.append(row[-1] + (row[-1] - above) / (ratio - 1))
            carried.append((ratio * carried[-1] + self.carried[column - 1]) / (ratio - 1))
            spreads.append(np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - above)))
        self.row, self.carried = row, carried
        errors = (SAFETY * (s + c) for s, c in zip(spreads, carried[1:], strict=True))
        return zip(row[1:], errors, strict=True)


def extrapolate(block: Block, evaluation: Evaluation, step: Array, noise: Array) -> Best:
    """Return the derivatives of a block's moves from steps (moves, points) downwards."""
    ladder = Ladder(block, evaluation, step, noise)
    first = ladder.rung(1.0)
    best = Best.none(first.quotient)
    last = _descend(ladder, best, first)
    while best.refute(ladder.rung(last.relative * WITNESS), last) and ladder.count < RUNGS:
        last = _descend(ladder, best, ladder.rung(last.relative / FAST))
    _require_found(best, evaluation)
    return best


def _descend(ladder: "Ladder", best: Best, first: Rung) -> Rung:
    """Extrapolate from a quotient on until rounding ends it; return the last quotient."""
    table, rungs = Table(ladder.power), [first]
    while True:
        best.stand_still(rungs[0])
        if len(rungs) == 3:
            best.question(rungs)
        for derivative, error in table.extend(rungs[0]):
            best.improve(derivative, error, rungs[0].step)
        ratio = FAST if _hopeless(rungs) else 2
        if ladder.count >= RUNGS or (SAFETY * ratio * rungs[0].rounding >= best.error).all():
            return rungs[0]
        rungs = [ladder.rung(rungs[0].relative / ratio), *rungs[:2]]


class Ladder:
    """Quotients of a block over shrinking steps, central where the bounds leave room for it."""

    def __init__(self, block: Block, evaluation: Evaluation, step: Array, noise: Array) -> None:
        down, up = block.nearest_bounds()
        narrow, wide = np.minimum(down, up), np.maximum(down, up)
        size = np.minimum(np.abs(step), wide)
        central = narrow >= size / 64
        size = np.where(central, np.minimum(size, narrow), size)
        self.power = block.along(np.where(central, 2, 1))
        self.count = 0
        self._ahead = np.where(central | (up >= down), size, -size)
        self._behind = np.where(central, -size, 0.0)
        self._block, self._evaluation = block, evaluation
        self._noise = block.base(noise)
        self._precision = precision(evaluation.base.dtype)
        x = block.points.flat.T[block.entries[block.first]]
        self._shortest = block.along(SHORTEST * np.finfo(x.dtype).eps * np.abs(x))

    def rung(self, relative: float) -> Rung:
        """Return the quotients with steps shrunk by `relative`."""
        self.count += 1
        (ahead, forth), (behind, back) = (
            self._values(offset * relative) for offset in (self._ahead, self._behind)
        )
        width = np.abs(forth - back)
        too_short = width < self._shortest
        width[too_short] = np.nan
        size = np.maximum(np.abs(ahead), np.abs(behind))
        rounding = size * self._precision + self._noise
        rounding = np.where(too_short, np.inf, rounding / width)
        step = self._block.along(np.abs(self._ahead)) * relative
        quotient = (ahead - behind) / np.copysign(width, forth - back)
        return Rung(relative, step, width, quotient, rounding, size)

    def _values(self, offset: Array) -> tuple[Array, Array]:
        stack, moved = self._block.displaced(offset)
        values = self._block.select(self._evaluation.explore(stack))
        return values.astype(np.result_type(values, float)), self._block.along(moved)


def _hopeless(rungs: list[Rung]) -> bool:
    """Whether no entry has begun to converge, so that the step may fall faster."""
    if len(rungs) < 2:
        return False
    now, before = rungs[0].quotient, rungs[1].quotient
    close = np.abs(now - before) <= HOPELESS * np.maximum(np.abs(now), np.abs(before))
    return not close.any()


def _require_found(best: Best, evaluation: Evaluation) -> None:
    lost = ~np.isfinite(best.error)
    if lost.any():
        point = int(np.argwhere(lost)[0][1])
        cause = evaluation.failure.error if evaluation.failure else None
        raise EvaluationError(
            f"{evaluation.caller} finds no step at which f is finite around "
            f"{evaluation.points.name(point)}{evaluation.trouble}"
        ) from cause
