"""The table of formulas that a check prints, a line each, with a progress bar on a terminal."""

import time
from collections.abc import Iterable

from matgrad.commands.progress import progress
from matgrad.formulas import Comparison

HEADINGS = ("formula", "measured by", "error", "limit")


def show_comparisons(comparisons: Iterable[Comparison], total: int) -> list[Comparison]:
    """Print comparisons as they come, then what is wrong and a summary; return them."""
    start = time.perf_counter()
    shown = []
    print(_line(HEADINGS))
    with progress("checking formulas", total) as advance:
        for comparison in comparisons:
            print(_line(_cells(comparison)), flush=True)
            shown.append(comparison)
            advance(1)
    print()
    for comparison in shown:
        if not comparison.ok:
            print(f"FAILED: {comparison}")
    wrong = sum(not comparison.ok for comparison in shown)
    verdict = f"{wrong} of {total} formulas FAILED" if wrong else f"all {total} formulas right"
    print(f"{verdict} ({time.perf_counter() - start:.1f} s)", flush=True)
    return shown


def _line(cells: tuple[str, ...]) -> str:
    name, method, *numbers = cells
    return " ".join([f"{name:<45}", f"{method:<12}", *(f"{cell:>8}" for cell in numbers)])


def _cells(comparison: Comparison) -> tuple[str, ...]:
    share = comparison.error / comparison.allowed
    limit = f"{share:.1%}" if comparison.ok else "FAILED"
    return comparison.formula, comparison.method, f"{comparison.error:.1e}", limit
