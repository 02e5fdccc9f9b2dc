"""How much of a function's value is rounding, measured.

Over a line of points a few units in the last place long, a smooth function is a cubic, to far
below its rounding; what a cubic leaves is rounding. (The idea, with difference tables instead of
a fit: J. J. Moré and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011)
1292-1314. Their points are evenly spaced, and rounding keeps step with such points too often.)
"""

import math
from collections.abc import Callable

import numpy as np

from matgrad.differences.points import Array
from matgrad.differences.steps import Room, power_of_two

POSITIONS = np.array([-53, -41, -34, -21, -10, -3, 0, 8, 15, 27, 38, 57])
DEGREE = 3
COARSER = (2.0**-23 * math.sqrt(2.6), 2.0**-12 * math.sqrt(2.6))  # off the grids of rounding


def rounding_noise(
    values: Callable[[Array], Array], x: Array, owner: Array, room: Room | None = None
) -> Array:
    """Return the standard deviation (points, ...) of the rounding in `values` near x.

    `values` maps a stack (k, points, entries) to (k, points, ...). Entries with the same `owner`
    move alike. A function that computes in less precision than it returns is constant over the
    line, and is measured again over one that single precision resolves, then over one that three
    digits do: there f has hardly changed but in steps. The cost is 12 evaluations, 24 or 36.
    """
    finest = float(np.finfo(x.dtype).eps)
    noise: Array = np.zeros(())
    constant: Array = np.ones((), dtype=bool)
    for unit in (finest, *(coarse for coarse in COARSER if coarse > 2 * finest)):
        sampled = values(_line(x, unit, owner, room))
        noise = np.where(constant, _left_by_cubic(sampled), noise)
        constant = constant & (sampled == sampled[0]).all(axis=0)
        if not constant.any():
            break
    return noise


def _line(x: Array, unit: float, owner: Array, room: Room | None) -> Array:
    """Return points around x whose entries move by whole numbers of units in the last place.

    So no point is rounded, and the rounding of f alone is seen. Each entry has its own number
    of units, from 1 to 4, the same in every run. A zero moves like the smallest other entry. At
    a bound the line of an entry begins there, and where there is no room at all it stands still.
    """
    size = np.where(x == 0, np.inf, np.abs(x.astype(float)))
    smallest = size.min(axis=1, keepdims=True, initial=np.inf)
    scale = np.where(x == 0, np.where(np.isfinite(smallest), smallest, 1.0), size)
    units = 1 + np.floor(4 * (owner * math.sqrt(5) % 1))
    step = units * unit * power_of_two(scale)
    shift = np.zeros(x.shape)
    if room is not None:
        near = np.minimum(room.down, room.up) < step * POSITIONS.max()
        beyond = np.maximum(room.down, room.up) < step * np.ptp(POSITIONS)
        aside = np.where(room.up >= room.down, -POSITIONS.min(), -POSITIONS.max())
        shift, step = np.where(near, aside, 0), np.where(near & beyond, 0, step)
    line: Array = x + ((POSITIONS[:, None, None] + shift) * step).astype(x.dtype)
    return line


def _left_by_cubic(sampled: Array) -> Array:
    """Return the root mean square of what a least-squares cubic leaves of the samples."""
    powers = np.vander(POSITIONS / POSITIONS.max(), DEGREE + 1)
    basis, _ = np.linalg.qr(powers, mode="complete")
    rest = np.tensordot(basis[:, DEGREE + 1 :], sampled - sampled[0], axes=(0, 0))
    # Not the squares, which leave the range of floats where f passes the root of its largest.
    noise: Array = np.hypot.reduce(np.abs(rest).astype(float), axis=0) / math.sqrt(len(rest))
    return np.nan_to_num(noise)
