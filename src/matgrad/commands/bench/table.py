"""The table that a benchmark prints, and the lines around it."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from matgrad.commands.bench.machine import description
from matgrad.commands.bench.race import Race, Result

LEGEND = """\
columns: nanoseconds for one matrix, medians of turns taken one after another;
  ratio   the best other time over matgrad's;
  matmul  matgrad's useful operations a second (2/3 n^3 for det, 2 n^3 for an
          inverse or a gradient) over those of a large matrix product in NumPy;
  copy    matgrad's bytes a second (arguments read once, results written once)
          over those of a large copy, where the batch exceeds the caches.
"""


def print_heading(race: Race, cores: Sequence[int]) -> None:
    """Print what runs where, and what does not run."""
    print(", ".join(f"{name} {version}" for name, version in race.versions.items()))
    for name, reason in race.absent.items():
        print(f"{name}: {reason}")
    print(description())
    listed = f"{counted(len(cores), 'core', 'cores')} ({', '.join(map(str, cores))})"
    print(f"pinned to {listed}\n" if hasattr(os, "sched_setaffinity") else "not pinned to cores\n")
    print(LEGEND, end="", flush=True)


class Table:
    """The rows of one operation, one for each size."""

    def __init__(self, title: str, names: Sequence[str]) -> None:
        self.names = names
        print(f"\n{title}\n")
        print(_line("n", "batch", *names, "ratio", "matmul", "copy"), flush=True)

    def add(self, result: Result, large: bool) -> None:
        """Print a row; `large` says whether the batch exceeds the caches."""
        times = [self._time(result, name) for name in self.names]
        shares = [result.share_of_flops, result.share_of_bytes if large else None]
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        case = result.case
        row = _line(str(case.n), str(case.batch), *times, ratio, *map(_percent, shares))
        print(row, flush=True)

    def _time(self, result: Result, name: str) -> str:
        if name in result.wrong:
            return "WRONG"
        return _number(result.nanoseconds(name)) if name in result.seconds else "-"


@contextmanager
def status(label: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows on a terminal what is going on; nothing of it stays."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    try:
        yield lambda text: _show(f"{label}, {text} ...")
    finally:
        _show("")


def _show(text: str) -> None:
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def counted(count: int, one: str, more: str) -> str:
    """Return a number and its noun: 1 core, 2 cores."""
    return f"{count} {one if count == 1 else more}"


def _line(n: str, batch: str, *cells: str) -> str:
    *times, ratio, matmul, copy = cells
    columns = "".join(f"{time:>11}" for time in times)
    return f"{n:>4}{batch:>9}{columns}{ratio:>8}{matmul:>8}{copy:>7}".rstrip()


def _number(x: float) -> str:
    """Return three digits or more, in 9 characters at most: 1.87, 52.1, 1152."""
    digits = 2 if x < 10 else 1 if x < 100 else 0
    return f"{x:.{digits}f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
