"""The result of a check, as a picture."""

from typing import TYPE_CHECKING, Any

import numpy as np

from matgrad.check.examination import RIGHT
from matgrad.differences.points import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from matgrad.check.outcome import GradientCheck


def draw(
    check: "GradientCheck", ax: "Axes | None" = None, point: tuple[int, ...] | None = None
) -> "Axes":
    """Draw the remainder along the random directions against the step, log-log."""
    index = _telling(check) if point is None else point
    ax = _new_axes() if ax is None else ax
    place: tuple[Any, ...] = (..., *index)
    step, remainder = check.step[place], check.remainder[place]
    ax.loglog(step, np.where(remainder > 0, remainder, np.nan), ".-", linewidth=0.8)
    for power, style in ((check.expected, "k--"), (check.expected - 1, "k:")):
        ax.loglog(step, _reference(step, remainder, power), style, label=f"slope {power}")
    limits = remainder[np.isfinite(remainder) & (remainder > 0)]
    if len(limits):
        ax.set_ylim(limits.min() / 3, limits.max() * 3)
    ax.set(
        xlabel="step h", ylabel="Taylor remainder", title=f"{check.caller}: {_title(check, index)}"
    )
    ax.legend()
    return ax


def _telling(check: "GradientCheck") -> tuple[int, ...]:
    """Return the first point that is not right, else the first."""
    flat = int(np.argmax(check.verdict != RIGHT))
    return tuple(int(i) for i in np.unravel_index(flat, check.verdict.shape))


def _title(check: "GradientCheck", index: tuple[int, ...]) -> str:
    return f"{check.verdict[index]}" + (f" at {index}" if index else "")


def _reference(step: Array, remainder: Array, power: int) -> Array:
    """Return a line of the given slope through the middle of the longest step's remainders."""
    finite = np.isfinite(remainder).any(axis=1)
    first = int(np.argmax(finite))
    line: Array = np.nanmedian(remainder[first]) * (step / step[first]) ** power
    return line


def _new_axes() -> "Axes":
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError(
            "GradientCheck.plot draws with matplotlib: pip install 'matgrad[plot]'"
        ) from None
    return pyplot.subplots()[1]
