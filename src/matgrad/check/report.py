"""The result of a check, as text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from matgrad.check.examination import KINKED, RIGHT, UNDECIDED, WRONG

if TYPE_CHECKING:
    from matgrad.check.outcome import GradientCheck

POINTS = 3
ENTRIES = 6
ORDERS = {1: "f is affine", 2: "f is quadratic"}


def lines(check: "GradientCheck") -> Iterator[str]:
    """Return the report: a summary, then the worst points, a paragraph each."""
    if check.verdict.ndim == 0:
        yield f"{check.caller}: {check.verdict}"
        yield from _point(check, ())
        return
    counts = {word: int((check.verdict == word).sum()) for word in (WRONG, KINKED, UNDECIDED)}
    counts[RIGHT] = int((check.verdict == RIGHT).sum())
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    yield f"{check.caller}: {told} (points)"
    worth = np.argwhere(check.verdict != RIGHT)
    for place in worth[:POINTS]:
        index = tuple(int(i) for i in place)
        yield f"point {index}: {check.verdict[index]}"
        yield from _point(check, index)
    if len(worth) > POINTS:
        yield f"... and {len(worth) - POINTS} more points that are not right"
    if not len(worth):
        yield f"  they agree with differences to {check.resolution.max(initial=0):.1g} or better"


def _point(check: "GradientCheck", index: tuple[int, ...]) -> Iterator[str]:
    verdict = check.verdict[index]
    if verdict == UNDECIDED and check.diagnosis[index]:
        yield f"  {check.diagnosis[index]}"
        return
    yield f"  {_slope(check, index)}"
    if verdict == RIGHT:
        yield f"  it agrees with differences to {check.resolution[index]:.1g}"
    elif verdict == KINKED:
        yield "  f has a kink at the point, or too near to tell: there is no gradient to check"
    elif verdict == UNDECIDED:
        yield f"  rounding in f hides any error below {check.resolution[index]:.1g} of the slope"
    else:
        yield from _mistake(check, index)


def _slope(check: "GradientCheck", index: tuple[int, ...]) -> str:
    slope, wrong = check.slope[index], check.expected - 1
    order = ORDERS.get(int(check.order[index]), "") if check.verdict[index] == RIGHT else ""
    note = f"; {order}" if order else ""
    if np.isnan(slope):
        return f"the remainder is rounding alone{note}"
    return (
        f"the remainder falls like h^{slope:.2f} (right is {check.expected}, wrong {wrong}){note}"
    )


def _mistake(check: "GradientCheck", index: tuple[int, ...]) -> Iterator[str]:
    measured, differing = check.measured[index], check.differing[index]
    known = int(np.isfinite(measured).sum())
    yield f"  {int(differing.sum())} of {known} entries measured differ; {check.diagnosis[index]}"
    off = np.where(differing, np.abs(check.claimed[index] - measured), -1.0)
    worst = np.argsort(-off, axis=None)[: min(ENTRIES, int(differing.sum()))]
    if len(worst):
        yield "  entry            claimed        measured       +-"
    for flat in worst:
        place = tuple(int(i) for i in np.unravel_index(flat, off.shape))
        yield f"  {place!s:<12} {_row(check, index + place)}"


def _row(check: "GradientCheck", place: tuple[Any, ...]) -> str:
    claimed, measured = check.claimed[place], check.measured[place]
    return f"{claimed:>14.7g} {measured:>14.7g}   {check.uncertainty[place]:.1g}"
