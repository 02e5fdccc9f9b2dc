import io
import sys

import pytest

from matgrad.commands.terminal import rich_console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_console_of_rich() -> None:
    assert rich_console(Terminal()) is not None


def test_a_pipe_has_none() -> None:
    assert rich_console(io.StringIO()) is None


def test_without_rich_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert rich_console(Terminal()) is None
