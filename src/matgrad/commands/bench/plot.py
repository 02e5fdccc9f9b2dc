"""The plot of a benchmark: nanoseconds for one matrix against n, a line per implementation."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matgrad.commands.bench.race import Result
from matgrad.commands.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The same colour for an implementation wherever it appears; matgrad's stands out.
STYLES: dict[str, dict[str, Any]] = {
    "matgrad": {"color": "#c1272d", "linewidth": 2.5, "marker": "o", "zorder": 3},
    "numpy": {"color": "#0072b2", "marker": "s"},
    "scipy": {"color": "#009e73", "marker": "^"},
    "torch": {"color": "#e69f00", "marker": "D"},
    "jax": {"color": "#7f5fa8", "marker": "v"},
}


def check_plot(path: str) -> None:
    """Refuse a plot that cannot be drawn, before anything is measured."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install 'matgrad[plot]'") from None
    kinds = Figure().canvas.get_supported_filetypes()
    if Path(path).suffix.removeprefix(".") not in kinds:
        raise UsageError(f"cannot draw {path}: its name has to end in one of {', '.join(kinds)}")
    if not Path(path).parent.is_dir():
        raise UsageError(f"cannot draw {path}: there is no folder {Path(path).parent}")


def draw(groups: Mapping[str, Sequence[Result]], path: str, caption: str) -> None:
    """Draw a panel for each group of results, under its title."""
    from matplotlib.figure import Figure

    columns = min(2, len(groups))
    rows = ceil(len(groups) / columns)
    figure = Figure(figsize=(1 + 5 * columns, 1 + 4 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel, (title, results) in zip(panels, groups.items(), strict=False):
        _draw_panel(panel, title, results)
    for panel in panels[len(groups) :]:
        panel.remove()
    figure.suptitle(caption, fontsize=9)
    figure.savefig(path)


def _draw_panel(panel: "Axes", title: str, results: Sequence[Result]) -> None:
    for name, style in STYLES.items():
        timed = [result for result in results if name in result.seconds]
        if timed:
            sizes = [result.case.n for result in timed]
            panel.plot(sizes, [r.nanoseconds(name) for r in timed], label=name, **style)
    panel.set(xscale="log", yscale="log", xlabel="n", ylabel="ns per matrix")
    panel.set_title(title, fontsize=9)  # the longest is as wide as a panel
    sizes = sorted({result.case.n for result in results})
    panel.set_xticks(sizes, labels=map(str, sizes))
    panel.set_xticks([], minor=True)
    panel.grid(alpha=0.3)
    panel.legend()
