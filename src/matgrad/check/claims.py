"""What is claimed: a function, its supposed derivative, and how far each can be trusted."""

import math
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

    def evaluation(self, f: Function, name: str = "f") -> Evaluation:
        """Evaluate a real function of the points."""
        evaluation = Evaluation(
            f, self.points, self.pool, vectorized=self.vectorized, caller=self.caller, name=name
        )
        self._require_real(evaluation.base, name)
        return evaluation

    def read(
        self,
        given: Any,
        moves: Moves,
        outputs: int,
        form: tuple[int, ...],
        name: str,
        layout: Layout = "denominator",
    ) -> Claimed:
        """Return a derivative whose value at one point has the shape `form` in its layout.

        The rounding in what a callable returns is measured; in an array it cannot be, and is
        taken to be a few units in the last place of the largest entry.
        """
        if callable(given):
            evaluation = self.evaluation(given, name)
            self._require_form(evaluation.out, form, name)
            noise = rounding_noise(evaluation.explore, self.points.flat, moves.owner)
            value, rounding = evaluation.base, noise
        else:
            value = self._array(given, form, name).reshape(self.points.size, -1)
            largest = np.abs(value).max(axis=1, keepdims=True, initial=0).astype(float)
            rounding = np.broadcast_to(8 * precision(value.dtype) * largest, value.shape)
        columns = self._columns(form, layout)
        return Claimed(
            value[:, columns].reshape(self.points.size, outputs, -1),
            rounding[:, columns].reshape(self.points.size, outputs, -1),
        )

    def _array(self, given: Any, form: tuple[int, ...], name: str) -> Array:
        array = np.asarray(given)
        self._require_real(array, name)
        lead = len(self.points.batch)
        self._require_form(array.shape[lead:], form, name)
        if array.shape[:lead] != self.points.batch:
            raise ValueError(
                f"{self.caller} needs a {name} for each point of the batch {self.points.batch}; "
                f"got shape {array.shape}"
            )
        bad = ~np.isfinite(array.reshape(self.points.size, -1))
        if bad.any():
            point = int(bad.any(axis=1).argmax())
            value = array.reshape(self.points.size, -1)[point, bad[point]][0]
            raise ValueError(
                f"{self.caller} needs a finite {name}; got {value} at {self.points.name(point)}"
            )
        return array

    def _require_real(self, array: Array, name: str) -> None:
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"{self.caller} needs real numbers from {name}; got dtype {array.dtype}"
            )

    def _columns(self, form: tuple[int, ...], layout: Layout) -> Array:
        """Return where the entries of a flattened derivative stand, in denominator layout."""
        places = np.arange(math.prod(form)).reshape(form)
        return (places.T if layout == "numerator" else places).ravel()

    def _require_form(self, got: tuple[int, ...], form: tuple[int, ...], name: str) -> None:
        if got != form:
            hint = "; that is the other layout" if got == form[::-1] else ""
            raise ValueError(
                f"{self.caller} needs a {name} of shape {form} at each point; got {got}{hint}"
            )


def in_layout(shape: tuple[int, ...], layout: Layout, caller: str) -> tuple[int, ...]:
    """Return the shape of a gradient in a layout: that of x, or as a row or a transpose."""
    if layout not in ("denominator", "numerator"):
        raise ValueError(f"{caller} knows the layouts denominator, numerator; got {layout!r}")
    if layout == "denominator" or not shape:
        return shape
    if len(shape) > 2:
        raise ValueError(
            f"{caller} has no numerator layout for an argument of shape {shape}: pass the "
            f"gradient in the shape of x"
        )
    return (1, *shape) if len(shape) == 1 else shape[::-1]
