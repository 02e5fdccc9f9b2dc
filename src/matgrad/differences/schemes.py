"""Difference quotients with steps fixed beforehand: '2-point', '3-point' and 'cs'.

Each is two functions: the offsets of its nodes, and the derivative that the values there give.
Derivatives are formed in double precision with the distances really moved, so that the rounding
of x + h costs nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from matgrad.differences.blocks import Block
from matgrad.differences.evaluation import Evaluation
from matgrad.differences.points import Array, precision
from matgrad.differences.steps import forward_steps, parabola_steps

ROUNDING = 6  # standard deviations of rounding in a difference of two or three values
Offsets = Callable[[Array, Array, Array], Sequence[Array]]


@dataclass(frozen=True)
class Scheme:
    """A difference quotient: where it evaluates, and how it combines what it finds."""

    order: int  # of the truncation error, in the step
    offsets: Offsets  # (step, room down, room up) -> one offset for each node
    derivative: Callable[[Array, Sequence[Array], Sequence[Array]], Array]


def _slope(base: Array, values: Sequence[Array], moved: Sequence[Array]) -> Array:
    slope: Array = (values[0] - base) / moved[0]
    return slope


def _parabola(base: Array, values: Sequence[Array], moved: Sequence[Array]) -> Array:
    """Return the slope at 0 of the parabola through 0, a and b: central, one-sided, uneven."""
    a, b = moved
    weighted = (values[0] - base) * (b / a) - (values[1] - base) * (a / b)
    slope: Array = weighted / (b - a)
    return slope


def _imaginary(base: Array, values: Sequence[Array], moved: Sequence[Array]) -> Array:
    slope: Array = values[0].imag / moved[0].imag
    return slope


SCHEMES = {
    "2-point": Scheme(1, lambda step, down, up: (forward_steps(step, down, up),), _slope),
    "3-point": Scheme(2, parabola_steps, _parabola),
    "cs": Scheme(2, lambda step, down, up: (1j * np.abs(step),), _imaginary),
}


@dataclass(frozen=True)
class Quotient:
    """Measured derivatives, and the longest distance that each was measured over."""

    derivative: Array
    width: Array


def quotient(block: Block, evaluation: Evaluation, scheme: Scheme, step: Array) -> Quotient:
    """Measure the derivatives with the steps (moves, points)."""
    down, up = block.nearest_bounds()
    values, moved = [], [np.zeros(step.shape)]  # x itself has not moved
    for offset in scheme.offsets(step, down, up):
        stack, distance = block.displaced(offset)
        for other in moved:
            _require_apart(evaluation, distance - other, offset)
        values.append(block.select(evaluation(stack)))
        moved.append(distance)
    widths = [block.along(distance) for distance in moved[1:]]
    if scheme is SCHEMES["cs"]:
        _require_continuation(evaluation, values[0])
    derivative = scheme.derivative(block.base(evaluation.base), values, widths)
    return Quotient(derivative, np.abs(widths).max(axis=0))


def quotient_error(
    block: Block,
    evaluation: Evaluation,
    scheme: Scheme,
    step: Array,
    measured: Quotient,
    noise: Array,
) -> Array:
    """Estimate the error of a quotient: truncation from steps half as long, and rounding.

    It costs as many evaluations again.
    """
    halved = quotient(block, evaluation, scheme, step / 2)
    truncation = np.abs(measured.derivative - halved.derivative) / (1 - 0.5**scheme.order)
    if scheme is SCHEMES["cs"]:
        unit = precision(evaluation.base.dtype)
        error: Array = truncation + 8 * unit * np.abs(measured.derivative)
    else:
        error = truncation + block.base(ROUNDING * noise) / measured.width
    return error


def _require_continuation(evaluation: Evaluation, values: Array) -> None:
    """Refuse a function whose imaginary part at complex x is not the derivative times the step."""
    needs = f"{evaluation.caller} with method='cs' needs a function that"
    if np.iscomplexobj(evaluation.base):
        raise TypeError(f"{needs} is real for real x; f returned {evaluation.base.dtype}")
    if not np.iscomplexobj(values):
        raise TypeError(f"{needs} stays complex for complex x; f returned {values.dtype}")


def _require_apart(evaluation: Evaluation, distance: Array, offset: Array) -> None:
    """Refuse steps that rounding brings back to x, or to the other step."""
    if (distance == 0).any():
        move, point = (int(i) for i in np.argwhere(distance == 0)[0])
        raise ValueError(
            f"{evaluation.caller} needs steps that change x; {np.abs(offset[move, point]):.3g} "
            f"does not at {evaluation.points.name(point)}"
        )
