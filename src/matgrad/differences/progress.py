"""How far a sweep is: told to a function, or drawn by rich on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]


@contextmanager
def reporting(progress: bool | Report, caller: str) -> Iterator[Report]:
    """Open what `progress` asks for: a function to call with (done, total)."""
    if callable(progress):
        yield progress
    elif progress:
        with _bar(caller) as report:
            yield report
    else:
        yield lambda done, total: None


@contextmanager
def _bar(caller: str) -> Iterator[Report]:
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        raise ImportError(
            f"{caller} with progress=True draws with rich: pip install 'matgrad[cli]', or pass a "
            f"function of (done, total)"
        ) from None
    console = Console(file=sys.stderr)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(caller)
        yield lambda done, total: bar.update(task, completed=done, total=total)
