"""How far the differences step: by precision, by scale, and never over a bound."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from matgrad.differences.points import Array, Points, typical_size

Method = Literal["2-point", "3-point", "cs", "adaptive"]
Structure = Literal["affine", "quadratic"]

# Exponents of the machine epsilon: where rounding and truncation balance. A complex step has no
# rounding to balance, so that its truncation, the square of the step, may vanish.
EXPONENT = {"2-point": 1 / 2, "3-point": 1 / 3, "cs": 5 / 4}

# The adaptive steps to powers of two, which are whole periods of too many functions. Few digits, so
# that x + h is seldom rounded.
OFF_POWERS = 53 / 64


@dataclass(frozen=True)
class Room:
    """The distance (points, entries) from each entry to its lower and upper bound."""

    down: Array
    up: Array
    lower: Array
    upper: Array

    @classmethod
    def of(cls, points: Points, bounds: Any, caller: str) -> "Room":
        """Read a pair of lower and upper bounds, each broadcast to the shape of x."""
        low, high = (-np.inf, np.inf) if bounds is None else _pair(bounds, caller)
        lower = points.broadcast(low, "lower bound", caller)
        upper = points.broadcast(high, "upper bound", caller)
        outside = ~((lower <= points.flat) & (points.flat <= upper))
        if outside.any():
            point = int(outside.any(axis=1).argmax())
            raise ValueError(f"{caller} needs x within its bounds; got {points.name(point)}")
        lower, upper = _inwards(lower, upper, points.flat.dtype)
        if (lower >= upper).any():
            raise ValueError(f"{caller} needs bounds that leave room; got lower = upper somewhere")
        largest = np.finfo(float).max
        with np.errstate(over="ignore"):
            down, up = (np.minimum(d, largest) for d in (points.flat - lower, upper - points.flat))
        return cls(down, up, lower, upper)

    def clip(self, goal: Array, entries: Array) -> Array:
        """Bring values (points, entries) of some entries within the bounds."""
        return np.clip(goal, self.lower[:, entries], self.upper[:, entries])


def _inwards(lower: Array, upper: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Round bounds to the dtype of x, so that what is rounded to it stays within them.

    Where there is no bound, the largest numbers of the dtype are: no step leads to infinity.
    """
    largest = np.finfo(dtype).max
    low, high = (np.clip(each, -largest, largest).astype(dtype) for each in (lower, upper))
    low = np.where(low < lower, np.nextafter(low, dtype.type(np.inf)), low)
    high = np.where(high > upper, np.nextafter(high, dtype.type(-np.inf)), high)
    return low.astype(float), high.astype(float)


def _pair(bounds: Any, caller: str) -> tuple[Any, Any]:
    try:
        low, high = bounds
    except (TypeError, ValueError):
        raise ValueError(f"{caller} needs bounds=(lower, upper); got {bounds!r}") from None
    return low, high


def default_steps(x: Array, method: Method, structure: Structure | None, precision: float) -> Array:
    """Return the step of each entry, signed away from zero as in SciPy."""
    sign = np.where(x >= 0, 1.0, -1.0)
    if structure is not None:
        return sign * _exact_steps(x)
    if method == "adaptive":
        return sign * OFF_POWERS / 4 * power_of_two(np.maximum(1.0, np.abs(x)))
    relative: float = precision ** EXPONENT[method]
    return sign * relative * (_complex_scale(x) if method == "cs" else np.maximum(1.0, np.abs(x)))


def _complex_scale(x: Array) -> Array:
    """Return the size of x, where it is not so small that products with the step underflow."""
    least = np.exp2(np.finfo(x.dtype).minexp / 4)
    scale: Array = np.where(x == 0, 1.0, np.maximum(np.abs(x), least))
    return scale


def _exact_steps(x: Array) -> Array:
    """Return powers of two as large as the entries of the point: nothing is truncated."""
    scale = np.maximum(np.abs(x), typical_size(x))
    return power_of_two(np.where(scale > 0, scale, 1.0))


def power_of_two(size: Array) -> Array:
    """Return the largest powers of two that are no larger."""
    _, exponents = np.frexp(size.astype(float))
    powers: Array = np.ldexp(1.0, exponents - 1)
    return powers


def forward_steps(step: Array, down: Array, up: Array) -> Array:
    """Fit one-sided steps: the own side if it has room, else the roomier one, shortened."""
    fits = np.where(step > 0, up, down) >= np.abs(step)
    sign = np.where(fits, np.sign(step), np.where(up >= down, 1.0, -1.0))
    fitted: Array = sign * np.minimum(np.abs(step), np.where(sign > 0, up, down))
    return fitted


def parabola_steps(step: Array, down: Array, up: Array) -> tuple[Array, Array]:
    """Fit two steps: -h and h where both have room, else h and 2 h on the roomier side.

    Where the shorter side leaves as much room as the one-sided step would, the central pair of
    that size is better and is taken.
    """
    size, narrow, wide = np.abs(step), np.minimum(down, up), np.maximum(down, up)
    one_sided = np.minimum(size, wide / 2)
    central = narrow >= one_sided
    size, aside = np.minimum(size, narrow), np.where(up >= down, one_sided, -one_sided)
    return np.where(central, -size, aside), np.where(central, size, 2 * aside)
