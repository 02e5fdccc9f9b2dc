"""A progress bar on standard error, if that is a terminal."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from matgrad.commands.terminal import rich_console

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int], None]
"""Tells how many more points are done."""


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """Show how much of `total` is done, until the context ends; show nothing in a pipe."""
    console = rich_console(sys.stderr)
    if console:
        with _rich_bar(console, label, total) as advance:
            yield advance
    elif sys.stderr.isatty():
        bar = PlainBar(label, total)
        try:
            yield bar.advance
        finally:
            bar.end()
    else:
        yield lambda count: None


@contextmanager
def _rich_bar(console: "Console", label: str, total: int) -> Iterator[Advance]:
    from rich.progress import Progress

    with Progress(console=console) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


class PlainBar:
    """A bar of ASCII characters that is drawn over itself, ten times a second at most."""

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        self._drawn = 0.0
        self._draw()

    def advance(self, count: int) -> None:
        """Count more points as done."""
        self.done += count
        if self.done >= self.total or time.monotonic() - self._drawn > 0.1:
            self._draw()

    def end(self) -> None:
        """Leave the line as it is and go to the next one."""
        print(file=sys.stderr, flush=True)

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        columns = shutil.get_terminal_size().columns
        print("\r" + self.line(columns), end="", file=sys.stderr, flush=True)

    def line(self, columns: int) -> str:
        """Return the bar for a terminal of this width; the last column would break the line."""
        share = self.done / self.total if self.total else 1.0
        before = f"{self.label} ["
        behind = f"] {share:4.0%} {_clock(self._remaining(share))}"
        width = max(0, columns - 1 - len(before) - len(behind))
        filled = round(width * share)
        return (before + "#" * filled + "-" * (width - filled) + behind)[: columns - 1]

    def _remaining(self, share: float) -> float | None:
        elapsed = time.monotonic() - self.start
        return elapsed / share - elapsed if share else None


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
