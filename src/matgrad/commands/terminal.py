"""What the terminal can show: rich output where rich is installed, plain text elsewhere."""

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def rich_console(stream: TextIO) -> "Console | None":
    """Return a console of rich for a terminal; None for a pipe, a file, or without rich."""
    if not stream.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream)
