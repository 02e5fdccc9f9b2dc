"""The table that a check prints: with rich on a terminal, as aligned text elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

import matgrad
from matgrad._native import chosen
from matgrad.commands.results import Row
from matgrad.commands.terminal import rich_console

if TYPE_CHECKING:
    from rich.console import Console

WIDTHS = (28, 2, 7, 7, 7, 7, 7, 7)
OVER_HEADINGS = " " * 40 + "error in u from part of   ns per matrix"
HEADINGS = ("function", "n", "dtype", "NumPy", "diffs", "limit", "matgrad", "NumPy")
RICH_HEADINGS = (
    "n",
    "dtype",
    "NumPy, u",
    "differences, u",
    "of limit",
    "matgrad, ns",
    "NumPy, ns",
)


def show(rows: Iterable[Row], total: int) -> list[Row]:
    """Print rows as they come, then what is wrong and a summary; return the rows."""
    start = time.perf_counter()
    console = rich_console(sys.stdout)
    print(f"matgrad {matgrad.__version__} ({chosen()}) beside NumPy {np.__version__}\n")
    shown = list(_show_rich(console, rows, total) if console else _show_plain(rows))
    print()
    for row in shown:
        for failure in row.failures():
            print(f"FAILED: {failure}")
    wrong = sum(not row.ok for row in shown)
    verdict = f"{wrong} of {len(shown)} rows FAILED" if wrong else f"all {len(shown)} rows right"
    print(f"{verdict} ({time.perf_counter() - start:.1f} s)", flush=True)
    return shown


def _show_plain(rows: Iterable[Row]) -> Iterator[Row]:
    print(OVER_HEADINGS)
    print(_line(HEADINGS))
    for _, group in groupby(rows, key=lambda row: row.function):
        print()
        for row in group:
            print(_line(_cells(row)), flush=True)
            yield row


def _show_rich(console: "Console", rows: Iterable[Row], total: int) -> Iterator[Row]:
    """Print a table for each function above a progress bar."""
    from rich.box import SIMPLE_HEAD
    from rich.progress import Progress
    from rich.table import Table

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("checking", total=total)
        for function, group in groupby(rows, key=lambda row: row.function):
            table = Table(title=function, title_justify="left", box=SIMPLE_HEAD)
            for heading in RICH_HEADINGS:
                table.add_column(heading, justify="right")
            for row in group:
                table.add_row(*_cells(row)[1:], style=None if row.ok else "bold red")
                bar.advance(task)
                yield row
            bar.console.print(table)


def _line(cells: tuple[str, ...]) -> str:
    """Align a row's cells: the name to the left, numbers to the right."""
    name, *numbers = cells
    aligned = [f"{cell:>{width}}" for cell, width in zip(numbers, WIDTHS[1:], strict=True)]
    return " ".join([f"{name:<{WIDTHS[0]}}", *aligned])


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.function,
        str(row.n),
        row.dtype,
        _number(row.numpy.size),
        "" if row.differences is None else _number(row.differences.size),
        f"{row.part:.0%}" if row.ok else "FAILED",
        _number(1e9 * row.seconds),
        _number(1e9 * row.numpy_seconds),
    )


def _number(x: float) -> str:
    """Return a number in 7 characters at most: 2.7, 272, 2.7e+08."""
    if x >= 1e6:
        return f"{x:.1e}"
    return f"{x:.1f}" if x < 100 else f"{x:.0f}"
