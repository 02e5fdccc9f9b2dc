import io
import sys
import time

import pytest

from matgrad.commands.progress import PlainBar, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make_terminal(patch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal; not a fixture, since pytest captures it anew for the test."""
    terminal = Terminal()
    patch.setattr(sys, "stderr", terminal)
    return terminal


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)


def test_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("label", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_rich_draws_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = make_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "xterm")
    with progress("label", 10) as advance:
        advance(10)
    assert "label" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


@pytest.mark.usefixtures("plain")
def test_the_plain_bar_is_drawn_over_itself_and_ends_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = make_terminal(monkeypatch)
    with progress("label", 10) as advance:
        for _ in range(10):
            advance(1)
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert "  0% -:--" in text
    assert "100% 0:00" in text


@pytest.mark.usefixtures("plain")
def test_an_error_ends_the_line_of_the_plain_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = make_terminal(monkeypatch)

    def fail() -> None:
        with progress("label", 10):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert terminal.getvalue().endswith("\n")


@pytest.mark.usefixtures("plain")
def test_the_plain_bar_is_drawn_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = make_terminal(monkeypatch)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress("label", 1_000_000) as advance:
        for _ in range(1000):
            now += 0.001
            advance(1)
    assert terminal.getvalue().count("\r") <= 11


@pytest.mark.parametrize("columns", [1, 20, 40, 80, 200])
def test_the_plain_bar_never_breaks_the_line(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    make_terminal(monkeypatch)
    bar = PlainBar("gradient of det(X)", 3)
    widths = set()
    for _ in range(3):
        bar.advance(1)
        widths.add(len(bar.line(columns)))
    assert len(widths) == 1
    assert max(widths) < columns


def test_the_remaining_time_is_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    make_terminal(monkeypatch)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    bar = PlainBar("label", 100)
    now = 30.0
    bar.advance(25)
    assert bar.line(80).endswith("25% 1:30")


def test_nothing_to_do_is_all_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = make_terminal(monkeypatch)
    assert "100%" in PlainBar("label", 0).line(80)
    assert "100%" in terminal.getvalue()
