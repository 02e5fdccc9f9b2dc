"""The result of a check, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matgrad.check.claims import Claim
from matgrad.check.diagnosis import Evidence, diagnose
from matgrad.check.drawing import draw
from matgrad.check.examination import RIGHT, WRONG, Examination
from matgrad.check.report import lines
from matgrad.differences.points import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` or `check_hessian` found, for each point of the batch.

    Attributes
    ----------
    verdict : ndarray of str, shape (batch...,)
        "right", "wrong", "not differentiable", or "undecided" where rounding hides the answer.
    slope : ndarray, shape (batch...,)
        The power of the step with which the Taylor remainder falls; NaN where the remainder is
        rounding from the longest step on, that is for an affine function.
    expected : int
        The power for a right derivative: 2 for a gradient, 3 for a Hessian.
    order : ndarray of int, shape (batch...,)
        1 where f is affine, 2 where it is quadratic, as far as rounding lets see; else 0.
    resolution : ndarray, shape (batch...,)
        A relative error of the derivative above this would have shown.
    error : ndarray, shape (batch...,)
        The relative error found along the worst direction, 0 where none was found.
    claimed, measured, uncertainty : ndarray
        The derivative given, in denominator layout; the same by differences, with estimated
        errors. Only wrong points are measured, and only the most suspect entries of a large
        one; the others are NaN.
    diagnosis : ndarray of str, shape (batch...,)
        For each wrong point the mistake that explains it; for one at which f is finite on both
        sides of no step that, and what f raised.
    """

    caller: str
    expected: int
    verdict: Array
    slope: Array
    order: Array
    resolution: Array
    error: Array
    claimed: Array
    measured: Array
    uncertainty: Array
    differing: Array
    diagnosis: Array
    step: Array  # (steps, batch...)
    remainder: Array  # (steps, directions, batch...), along the random directions

    @classmethod
    def of(
        cls, claim: Claim, found: Examination, terms: Mapping[str, Array], expected: int
    ) -> "GradientCheck":
        """Describe what an examination found."""
        points, out = claim.evaluation.points, claim.evaluation.out
        form = out + points.shape
        differing = np.zeros((points.size, *form), dtype=bool)
        causes = [str(cause) for cause in found.cause]
        for point in map(int, np.flatnonzero(found.verdict == WRONG)):
            evidence = _evidence(claim, found, terms, point)
            differing[point] = evidence.differing()
            causes[point] = causes[point] or diagnose(evidence)

        def batched(values: Array, *form: int) -> Array:
            return np.reshape(values, points.batch + form)

        return cls(
            claim.evaluation.caller,
            expected,
            batched(found.verdict),
            batched(found.rate),
            batched(found.order),
            batched(found.resolution),
            batched(found.error),
            batched(claim.derivative, *form),
            batched(found.measured, *form),
            batched(found.uncertainty, *form),
            batched(differing, *form),
            batched(np.array(causes)),
            found.step.reshape(-1, *points.batch),
            found.remainder.reshape(*found.remainder.shape[:2], *points.batch),
        )

    @property
    def ok(self) -> Any:
        """Whether the derivative is right, one bool a point."""
        return self.verdict == RIGHT

    def raise_if_failed(self) -> None:
        """Raise AssertionError with the report unless every point is right."""
        if not np.all(self.ok):
            raise AssertionError(str(self))

    def __str__(self) -> str:
        """Return the report."""
        return "\n".join(lines(self))

    def plot(self, ax: "Axes | None" = None, *, point: tuple[int, ...] | None = None) -> "Axes":
        """Draw the remainder against the step, with the slopes of right and wrong.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.
        point : tuple of int, optional
            Which point of the batch; by default the first that is not right, else the first.
        """
        return draw(self, ax, point)


def _evidence(claim: Claim, found: Examination, terms: Mapping[str, Array], point: int) -> Evidence:
    points, form = claim.evaluation.points, claim.evaluation.out + claim.evaluation.points.shape
    return Evidence(
        points.flat[point].reshape(points.shape),
        claim.evaluation.base[point],
        claim.derivative[point].reshape(form).astype(float),
        found.measured[point].reshape(form),
        found.uncertainty[point].reshape(form),
        claim.precision,
        {name: term[point].reshape(form) for name, term in terms.items()},
    )
