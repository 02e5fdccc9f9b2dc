"""From remainders to a verdict.

Divided by the step, the odd remainder is the error of the claim plus a truncation that falls like
h^2, and rounding that rises like 1/h. A wrong claim shows as a *plateau*: three steps or more with
the same error, above the floor, which no shorter step undercuts. Elsewhere the curve is a V whose
bottom tells how well claim and function agree. A plateau of the even remainder is a kink.

What rejects accidents: far above the scale of f a bounded function shows a plateau too, but the
curve falls later, unless rounding hides it; so only steps that move no entry by more than its
own size count. Near a kink the plateau ends below its distance. A function that computes in less
precision than it returns stands still at the end, but agreed before: a plateau on which f does not
move must not be undercut by longer steps either.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from matgrad.check.remainders import ABOVE_NOISE, Remainders
from matgrad.differences.points import Array

FLAT = 1.3  # largest ratio of errors on a plateau
RESOLVED = 0.01  # agreement, relative to the slope, that lets a claim pass
FITTED = 5  # steps that determine the rate
KINK = 0.1  # part of a wrong slope that a jump of the slope must have to explain it


@dataclass(frozen=True)
class Findings:
    """What was found along each direction, (directions, points, outputs)."""

    error: Array  # of the slope: the height of its plateau, 0 where there is none
    jump: Array  # of the slope, half of it
    agreement: Array  # how closely claim and function were seen to agree
    scale: Array  # of the slope, claimed or seen
    negligible: Array  # a slope that hardly counts in how f changes nearby
    rate: Array  # the power of the step with which the remainder falls
    bent: Array  # whether the even remainder rises above the floor
    twisted: Array  # whether the odd one does

    @classmethod
    def joined(cls, parts: Iterable["Findings"]) -> "Findings":
        """Put the findings along several sets of directions together."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    @property
    def kinked(self) -> Array:
        """Whether f is not differentiable along the direction."""
        return (self.jump > 0) & (self.jump >= KINK * self.error)

    @property
    def wrong(self) -> Array:
        """Whether the claim is wrong along the direction."""
        return (self.error > 0) & ~self.kinked

    @property
    def right(self) -> Array:
        """Whether the claim was seen to be right along the direction."""
        largest = self.scale.max(axis=-1, keepdims=True)
        close = (self.agreement <= RESOLVED * largest) | (self.agreement <= self.negligible)
        right: Array = close & np.isfinite(largest) & ~self.wrong & ~self.kinked
        return right

    @property
    def relative_error(self) -> Array:
        """The error of the slope relative to the slope."""
        return _ratio(self.error, self.scale)

    @property
    def resolution(self) -> Array:
        """The agreement relative to the slope: a larger error would have shown."""
        return _ratio(self.agreement, self.scale)

    def keeping(self, wrong: Array, kinked: Array) -> "Findings":
        """Keep errors and jumps of the slope where they are confirmed."""
        error = np.where(wrong | kinked, self.error, 0.0)
        return replace(self, error=error, jump=np.where(kinked, self.jump, 0.0))


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=(part > 0) & (whole > 0))


def findings(measured: Remainders) -> Findings:
    """Read the curves of all directions."""
    limit = measured.limit[:, :, None]
    error, agreement, where = _read(measured, measured.curves.odd, measured.tolerance, limit)
    half_digits = np.sqrt(measured.precision) * measured.slope
    jump, _, _ = _read(measured, measured.curves.even, half_digits, np.ones_like(limit))
    seen = np.take_along_axis(measured.curves.rise / measured.per_step, where, axis=0)[0]
    near = np.where(measured.per_step <= limit, measured.curves.variation / measured.per_step, 0.0)
    moves = (measured.curves.variation > measured.curves.floor).any(axis=0)
    still = (measured.slope == 0) & ~moves & ~measured.curves.unseen
    return Findings(
        error,
        jump,
        np.where(still, 0.0, agreement),
        np.fmax(measured.slope, seen),
        np.sqrt(measured.precision) * np.nan_to_num(near).max(axis=0),
        rate(measured),
        np.any(np.abs(measured.curves.even) > measured.curves.floor, axis=0),
        np.any(np.abs(measured.curves.odd) > measured.curves.floor, axis=0),
    )


def _read(
    measured: Remainders, remainder: Array, least: Array, limit: Array
) -> tuple[Array, Array, Array]:
    """Return the height of the plateau, 0 if there is none; the bottom of the curve, and where.

    A plateau counts if it is higher than `least` and its steps are no longer than `limit`.
    """
    error = remainder / measured.per_step
    blur = measured.curves.floor / (ABOVE_NOISE * measured.per_step)
    level = np.where(np.isfinite(error), np.abs(error) + blur, np.inf)
    pairs = np.maximum(level[1:], level[:-1])
    where = np.argmin(pairs, axis=0)[None]
    bottom = np.take_along_axis(pairs, where, axis=0)[0]
    shorter = np.minimum.accumulate(pairs[::-1], axis=0)[::-1]
    moves = measured.curves.variation > measured.curves.floor
    telling = (np.abs(remainder) > measured.curves.floor) & (measured.per_step <= limit)
    three, told, moved = (sliding_window_view(each, 3, axis=0) for each in (error, telling, moves))
    low, high = np.abs(three).min(axis=-1), np.abs(three).max(axis=-1)
    one_sign = np.abs(np.sign(three).sum(axis=-1)) == 3
    under = np.where(moved.all(axis=-1), shorter[:-1], bottom)
    plateau = told.all(axis=-1) & one_sign & (high <= FLAT * low) & (low <= 2 * under)
    return np.where(plateau & (high > least), high, 0.0).max(axis=0), bottom, where


def rate(measured: Remainders) -> Array:
    """Return the power of the step with which |r(h)| falls, NaN where rounding is all of it.

    Fitted over the shortest steps above the floor, since there the lowest power rules.
    """
    total = np.abs(measured.curves.odd + measured.curves.even)
    above = total > measured.curves.floor
    rank = np.cumsum(above[::-1], axis=0)[::-1]
    used = above & (rank <= FITTED)
    h = np.where(used, np.log(measured.per_step), 0.0)
    r = np.log(total, out=np.zeros_like(total), where=used)
    count = used.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        h -= np.where(used, h.sum(axis=0) / count, 0.0)
        slope: Array = (h * r).sum(axis=0) / (h * h).sum(axis=0)
    return np.where(count > 2, slope, np.nan)
