"""The examination of a claim: directions, verdicts, then entries where a verdict is "wrong"."""

from dataclasses import dataclass, replace

import numpy as np

from matgrad.check.claims import Claim
from matgrad.check.probes import RANDOM, Probes
from matgrad.check.remainders import remainders
from matgrad.check.verdicts import Findings, findings, rate
from matgrad.differences.moves import Moves
from matgrad.differences.points import Array
from matgrad.differences.steps import Room, default_steps
from matgrad.differences.sweeps import Sweep

MAX_BYTES = 2**24
AGAIN = 0.61  # the ratio of the steps that repeat an accusation to those that raised it
MEASURED = 256  # entries differenced one by one to describe what is wrong

RIGHT, WRONG = "right", "wrong"
KINKED, UNDECIDED = "not differentiable", "undecided"


@dataclass(frozen=True)
class Examination:
    """What was found about each point; entries are (points, outputs, entries), flat."""

    verdict: Array  # (points,) of the four words above
    rate: Array  # with which the remainder falls, NaN if it is rounding alone
    order: Array  # 1 for an affine function, 2 for a quadratic one, 0 for others
    resolution: Array  # the relative error that the random directions would have shown
    error: Array  # the relative error along the worst direction
    step: Array  # (steps, points)
    remainder: Array  # (steps, directions, points): the largest along each random direction
    cause: Array  # why, where that is known already
    measured: Array  # derivatives by differences, NaN where none were needed
    uncertainty: Array


def examine(claim: Claim, rng: np.random.Generator) -> Examination:
    """Judge a claim at all its points."""
    probes = Probes.of(claim.evaluation.points, claim.moves, rng)
    parts, trace = list[Findings](), None
    outputs = claim.evaluation.base.shape[1]
    for chosen in probes.blocks(claim.evaluation.points, outputs, MAX_BYTES):
        curves = remainders(claim, probes, chosen)
        trace = trace or curves
        parts.append(_confirmed(claim, probes, chosen, findings(curves)))
    assert trace is not None  # the first block holds the random directions
    found = Findings.joined(parts)
    verdict = _verdicts(found, _skew(claim))
    evaluation, unseen = claim.evaluation, trace.curves.unseen.all(axis=(0, 2))
    why = f"no step leaves {evaluation.name} finite on both sides of the point{evaluation.trouble}"
    measured, uncertainty = _entries(claim, probes, found, verdict, rng)
    return Examination(
        verdict,
        _rate(found),
        _order(found),
        np.median(found.resolution[:RANDOM].max(axis=-1), axis=0),
        found.relative_error.max(axis=(0, 2)),
        trace.step,
        np.abs(trace.curves.odd + trace.curves.even).max(axis=-1),
        np.where(unseen, why, ""),
        measured,
        uncertainty,
    )


def examine_hessian(slopes: Claim, bends: Claim, rng: np.random.Generator) -> Examination:
    """Judge a Hessian by differences of the gradient, and the gradient by the function first.

    The rate is that of the second-order remainder of the function.
    """
    probes = Probes.of(slopes.evaluation.points, slopes.moves, rng)
    random = np.arange(RANDOM)
    first = remainders(slopes, probes, random)
    found = _confirmed(slopes, probes, random, findings(first))
    directions = probes.directions(random)
    bend = np.einsum("bmu,dbu,dbm->db", bends.along_moves, directions, directions, optimize=True)
    bent = first.curves.even - first.per_step**2 * bend[..., None] / 2
    second = replace(first, curves=replace(first.curves, even=bent))
    examined = examine(bends, rng)
    mistaken = found.wrong.any(axis=(0, 2))
    return replace(
        examined,
        verdict=np.where(mistaken, WRONG, examined.verdict),
        cause=np.where(mistaken, "the gradient is wrong already", ""),
        rate=_median(rate(second)),
        order=np.where(examined.order == 1, 2, 0),
        step=second.step,
        remainder=np.abs(second.curves.odd + second.curves.even)[..., 0],
    )


def _confirmed(claim: Claim, probes: Probes, chosen: Array, found: Findings) -> Findings:
    """Measure suspect directions again with other steps, and keep what is found both times."""
    suspect = np.any(found.wrong | found.kinked, axis=(1, 2))
    if not suspect.any():
        return found
    again = findings(remainders(claim, probes, chosen[suspect], AGAIN))
    wrong, kinked = found.wrong, found.kinked
    wrong[suspect] &= again.wrong
    kinked[suspect] &= again.kinked
    return found.keeping(wrong, kinked)


def _skew(claim: Claim) -> Array:
    """Return which points have a gradient that is not symmetric though it should be."""
    symmetric = claim.moves.spread(claim.along_moves)
    skew = np.abs(claim.derivative - symmetric).max(axis=(1, 2), initial=0)
    largest = np.abs(claim.derivative).max(axis=(1, 2), initial=0)
    skewed: Array = skew > np.sqrt(claim.precision) * largest
    return skewed


def _verdicts(found: Findings, skewed: Array) -> Array:
    right = found.right[:RANDOM].all(axis=-1).mean(axis=0) >= 0.5
    verdict = np.where(right, RIGHT, UNDECIDED).astype("<U18")
    verdict[found.wrong.any(axis=(0, 2)) | skewed] = WRONG
    verdict[found.kinked.any(axis=(0, 2))] = KINKED
    return verdict


def _rate(found: Findings) -> Array:
    """Return the rate along the directions that show an error, else along the random ones."""
    wrong = np.any(found.wrong, axis=(0, 2))
    random = np.arange(len(found.rate)) < RANDOM
    used = np.where(wrong[None, :, None], found.wrong, random[:, None, None])
    return _median(np.where(used, found.rate, np.nan))


def _median(rates: Array) -> Array:
    """Return the median over directions and outputs, NaN where there is nothing."""
    rows = np.sort(np.moveaxis(rates, 1, 0).reshape(rates.shape[1], -1), axis=1)  # NaN last
    middle = np.maximum(np.isfinite(rows).sum(axis=1) - 1, 0) // 2
    return np.take_along_axis(rows, middle[:, None], axis=1)[:, 0]


def _order(found: Findings) -> Array:
    """Return 1 where f is affine, 2 where it is quadratic, to rounding; else 0."""
    bent, twisted = (seen[:RANDOM].any(axis=(0, 2)) for seen in (found.bent, found.twisted))
    return np.where(twisted, 0, np.where(bent, 2, 1))


def _entries(
    claim: Claim, probes: Probes, found: Findings, verdict: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Difference the most suspect entries, where there is a wrong verdict to describe."""
    measured, uncertainty = (np.full(claim.derivative.shape, np.nan) for _ in range(2))
    if (verdict == WRONG).any():
        moves = claim.moves.only(_suspects(probes, found, rng))
        derivative, error = _differences(claim, moves)
        measured[..., moves.entries] = moves.spread(derivative)
        uncertainty[..., moves.entries] = moves.spread(error)
    return measured, uncertainty


def _suspects(probes: Probes, found: Findings, rng: np.random.Generator) -> Array:
    """Return the moves that take part in most accused directions, at random among equals."""
    accused = np.any(found.wrong, axis=(1, 2)) & (np.arange(probes.count) >= RANDOM)
    score = probes.members[accused].sum(axis=0) + rng.uniform(0, 0.5, probes.members.shape[1])
    count = max(MEASURED // len(probes.typical), 16)
    return np.sort(np.argsort(-score)[:count])


def _differences(claim: Claim, moves: Moves) -> tuple[Array, Array]:
    """Return adaptive differences along some moves, and their errors."""
    evaluation, points = claim.evaluation, claim.evaluation.points
    step = default_steps(points.flat, "adaptive", None, claim.precision)
    room = Room.of(points, None, evaluation.caller)
    sweep = Sweep(evaluation, moves, room, None, "adaptive", step, judged=True, noise=claim.noise)
    derivative, error = (np.empty((*evaluation.base.shape, moves.count)) for _ in range(2))
    for part in sweep.run(MAX_BYTES, lambda done, total: None):
        assert part.error is not None  # the sweep was told to judge
        derivative[..., part.block.moves] = np.moveaxis(part.derivative, 0, -1)
        error[..., part.block.moves] = np.moveaxis(part.error, 0, -1)
    return derivative, error
