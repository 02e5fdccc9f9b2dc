"""The Taylor remainder of a claim along directions, over steps from large to small.

With d the displacement really made, r(h) = f(x + d) - f(x) - <g, d>, and r(-h) likewise:

    odd(h)  = (r(h) - r(-h)) / 2     falls like h^3 if g is right, like h if it is not
    even(h) = (r(h) + r(-h)) / 2     falls like h^2 if f is smooth, like h at a kink

Together they fall like h^2 or like h. What rounding makes of them is the floor, below which they
say nothing.
"""

from dataclasses import dataclass

import numpy as np

from matgrad.check.claims import Claim
from matgrad.check.probes import Probes
from matgrad.differences.points import Array, precision

RATIO = 4.0
RUNGS = 60
ABOVE_NOISE = 8.0  # standard deviations of rounding that make the floor
GRID = 0.1  # relative error of a displacement, by the rounding of x + h, that spoils a step


@dataclass(frozen=True)
class Curves:
    """What one step gives, (directions, points, outputs) each; or all steps, longest first."""

    odd: Array
    even: Array
    floor: Array
    variation: Array  # largest change of f over the step
    rise: Array  # half the change of f from one side to the other

    @property
    def unseen(self) -> Array:
        """Where no step leaves f finite on both sides of the point."""
        return np.asarray(np.isnan(self.odd).all(axis=0))


@dataclass(frozen=True)
class Remainders:
    """The remainders of a claim along directions."""

    curves: Curves
    step: Array  # (steps, points)
    limit: Array  # (directions, points): steps beyond leave the neighbourhood of x
    slope: Array  # (directions, points, outputs): norm of the claimed terms along a direction
    tolerance: Array  # the error of a claimed slope that is forgiven: half its digits, rounding
    precision: float

    @property
    def per_step(self) -> Array:
        """The steps, so that they divide curves."""
        return self.step[:, None, :, None]


def remainders(claim: Claim, probes: Probes, chosen: Array, start: float = 1.0) -> Remainders:
    """Measure along the chosen directions until rounding or certainty is reached."""
    directions = probes.directions(chosen)
    slope = _norm_of_terms(claim.along_moves, directions)
    doubt = ABOVE_NOISE * _contract(claim.rounding, np.abs(directions))
    tolerance = np.maximum(np.sqrt(claim.precision) * slope, doubt)
    step = start * np.maximum(1.0, 1.0 / probes.typical[:, 0])
    steps, rungs = [step], [_rung(claim, directions, step)]
    settled = np.zeros(slope.shape, dtype=bool)
    while len(rungs) < 3 or (len(rungs) < RUNGS and not settled.all()):
        steps.append(steps[-1] / RATIO)
        rungs.append(_rung(claim, directions, steps[-1]))
        wide = steps[-1][:, None]
        settled |= _blind(rungs[-1], wide * slope)
        if len(rungs) > 2:
            settled |= _certain(rungs[-3:], wide * slope, wide * tolerance)
    columns = zip(*(vars(rung).values() for rung in rungs), strict=True)
    curves = Curves(*(np.stack(column) for column in columns))
    limit, step = probes.limits(chosen), np.stack(steps)
    return Remainders(curves, step, limit, slope, tolerance, claim.precision)


def _rung(claim: Claim, directions: Array, step: Array) -> Curves:
    (ahead, up, coarse), (behind, down, _) = (
        _side(claim, directions, sign * step[:, None]) for sign in (1, -1)
    )
    base = claim.evaluation.base
    forth, back = ahead - base - up, behind - base - down
    largest = np.maximum(np.abs(ahead), np.abs(behind))
    unit = precision(base.dtype)
    terms = np.maximum(np.abs(up), np.abs(down))
    floor = ABOVE_NOISE * (claim.noise + unit * largest) + np.finfo(float).eps * terms
    odd = np.where(coarse, np.nan, (forth - back) / 2)
    variation = np.maximum(np.abs(ahead - base), np.abs(behind - base))
    return Curves(odd, (forth + back) / 2, floor, variation, np.abs(ahead - behind) / 2)


def _side(claim: Claim, directions: Array, step: Array) -> tuple[Array, Array, Array]:
    """Return f and the claimed terms at x + step * directions, and where rounding spoils that."""
    x, moves = claim.evaluation.points.flat, claim.moves
    wanted = step * directions
    displaced = (x + wanted[..., moves.owner]).astype(x.dtype)
    made = displaced[..., moves.first].astype(float) - x[:, moves.first]
    missed = np.abs(made - wanted).sum(axis=-1) > GRID * np.abs(wanted).sum(axis=-1)
    values = claim.evaluation.explore(displaced).astype(float)
    return values, _contract(claim.along_moves, made), missed[..., None]


def _contract(derivative: Array, directions: Array) -> Array:
    """Apply (points, outputs, moves) to (directions, points, moves)."""
    terms: Array = np.einsum("bmu,dbu->dbm", derivative, directions, optimize=True)
    return terms


def _norm_of_terms(derivative: Array, directions: Array) -> Array:
    """Return the root of the sum of the squared terms, each factor's squares kept in range."""
    parts = []
    for factor in (derivative, directions):
        largest = np.abs(factor).max(axis=-1, keepdims=True)
        parts.append((largest[..., 0], factor / np.where(largest > 0, largest, 1.0)))
    (steepest, slopes), (longest, lengths) = parts
    norm: Array = steepest * longest[..., None] * np.sqrt(_contract(slopes**2, lengths**2))
    return norm


def _blind(rung: Curves, expected: Array) -> Array:
    """Whether rounding hides what a step changes, so that shorter ones show nothing."""
    spoilt = np.isnan(rung.odd) & np.isfinite(rung.variation)
    hidden = (rung.floor >= expected) & (rung.floor >= rung.variation)
    blind: Array = spoilt | hidden
    return blind


def _certain(rungs: list[Curves], expected: Array, tolerated: Array) -> Array:
    """Whether two steps on end show f smooth and the claim right to half its digits or more."""
    certain = np.ones(expected.shape, dtype=bool)
    scales = (RATIO, 1.0)
    for before, rung, scale in zip(rungs, rungs[1:], scales, strict=False):
        sharp = rung.floor <= 1e-3 * np.maximum(scale * expected, rung.rise)
        right = np.abs(rung.odd) <= np.maximum(rung.floor, scale * tolerated)
        smooth = np.abs(rung.even) <= np.maximum(rung.floor, np.abs(before.even) / (2 * RATIO))
        certain &= sharp & right & smooth
    return certain
