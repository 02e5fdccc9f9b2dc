"""What is claimed: a function, its supposed derivative, and how far each can be trusted."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from matgrad.differences.evaluation import Evaluation, Function
from matgrad.differences.moves import Moves
from matgrad.differences.noise import rounding_noise
from matgrad.differences.points import Array, Points, precision
from matgrad.differences.workers import Pool

Layout = Literal["denominator", "numerator"]


@dataclass(frozen=True)
class Claim:
    """A function around a batch of points, and what its derivative is said to be there.

    Derivatives are (points, outputs, entries) or, along moves, (points, outputs, moves).
    """

    evaluation: Evaluation
    moves: Moves
    derivative: Array
    along_moves: Array
    rounding: Array  # in the derivative along moves, as a standard deviation
    noise: Array  # the same for the function, (points, outputs)
    precision: float  # the coarsest machine epsilon of all that take part

    @classmethod
    def of(cls, evaluation: Evaluation, moves: Moves, claimed: "Claimed") -> "Claim":
        """Put a function beside what is said of it, and measure its rounding."""
        x, base = evaluation.points.flat, evaluation.base
        return cls(
            evaluation,
            moves,
            claimed.value,
            moves.gather(claimed.value.astype(float)),
            moves.gather(claimed.rounding),
            rounding_noise(evaluation.explore, x, moves.owner),
            precision(x.dtype, base.dtype, claimed.value.dtype),
        )


@dataclass(frozen=True)
class Claimed:
    """A supposed derivative (points, outputs, entries), and the rounding in it."""

    value: Array
    rounding: Array


@dataclass(frozen=True)
class Reader:
    """Evaluates supposed derivatives at the points, whatever form they come in."""

    points: Points
    pool: Pool
    vectorized: bool
    caller: str

    def evaluation(self, f: Function) -> Evaluation:
        """Evaluate a function of the points."""
        return Evaluation(f, self.points, self.pool, vectorized=self.vectorized, caller=self.caller)

    def read(
        self, given: Any, moves: Moves, outputs: int, form: tuple[int, ...], name: str
    ) -> Claimed:
        """Return a derivative whose value at one point has the shape `form`.

        The rounding in what a callable returns is measured; in an array it cannot be, and is
        taken to be a few units in the last place of the largest entry.
        """
        if callable(given):
            evaluation = self.evaluation(given)
            self._require_form(evaluation.out, form, name)
            noise = rounding_noise(evaluation.explore, self.points.flat, moves.owner)
            return Claimed(
                self._entrywise(evaluation.base, outputs, form),
                self._entrywise(noise, outputs, form),
            )
        array = np.asarray(given)
        lead = len(self.points.batch)
        self._require_form(array.shape[lead:], form, name)
        if array.shape[:lead] != self.points.batch:
            raise ValueError(
                f"{self.caller} needs a {name} for each point of the batch {self.points.batch}; "
                f"got shape {array.shape}"
            )
        value = self._entrywise(array, outputs, form)
        largest = np.abs(value).max(axis=(1, 2), keepdims=True, initial=0)
        rounding = 8 * precision(value.dtype) * largest.astype(float)
        return Claimed(value, np.broadcast_to(rounding, value.shape))

    def _entrywise(self, values: Array, outputs: int, form: tuple[int, ...]) -> Array:
        """Bring values to (points, outputs, entries); transpose matrices in numerator layout."""
        size = self.points.size
        if form == self.points.shape[::-1] != self.points.shape:
            values = np.swapaxes(values.reshape(size, *form), -1, -2)
        return values.reshape(size, outputs, self.points.flat.shape[1])

    def _require_form(self, got: tuple[int, ...], form: tuple[int, ...], name: str) -> None:
        if got != form:
            hint = "; that is the other layout" if got == form[::-1] else ""
            raise ValueError(
                f"{self.caller} needs a {name} of shape {form} at each point; got {got}{hint}"
            )


def in_layout(shape: tuple[int, ...], layout: Layout, caller: str) -> tuple[int, ...]:
    """Return the shape of a gradient in a layout: that of x, or as a row or a transpose."""
    if layout == "denominator" or not shape:
        return shape
    if layout != "numerator":
        raise ValueError(f"{caller} knows the layouts denominator, numerator; got {layout!r}")
    if len(shape) > 2:
        raise ValueError(
            f"{caller} has no numerator layout for an argument of shape {shape}: pass the "
            f"gradient in the shape of x"
        )
    return (1, *shape) if len(shape) == 1 else shape[::-1]
