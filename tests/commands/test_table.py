import io
import sys
from collections.abc import Iterator

import pytest

from matgrad.commands.results import Error, Row
from matgrad.commands.table import show

RIGHT = Row("inv", 3, "float32", Error(1.5, 8), None, 12.34e-9, 4567e-9)
LONG = Row(
    "quadratic_trace_and_gradient", 64, "float64", Error(99, 99), Error(2.5e9, 3e9), 0.5, 0.5
)
WRONG = Row("det", 8, "float64", Error(1, 8), Error(float("nan"), 8), 1e-7, 1e-6)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_plain_rows_are_aligned_and_fit_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert show([RIGHT, LONG, WRONG], total=3) == [RIGHT, LONG, WRONG]
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if "function" in line or "   float" in line]
    assert {len(line) for line in rows} == {79}
    assert "inv 3 float32 1.5 19% 12.3 4567" in lines(out)
    assert "det 8 float64 1.0 nan FAILED 100 1000" in lines(out)


def test_rows_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[Row]:
        yield RIGHT
        assert "inv" in capsys.readouterr().out
        yield LONG

    show(rows(), total=2)


def test_failures_are_repeated_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    show([WRONG, RIGHT], total=2)
    *_, failure, verdict = capsys.readouterr().out.splitlines()
    assert failure.startswith("FAILED: det, n = 8, float64: off from central differences")
    assert verdict.startswith("1 of 2 rows FAILED")


def test_a_terminal_gets_a_table_for_each_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    show([RIGHT, RIGHT, WRONG], total=3)
    assert isinstance(sys.stdout, Terminal)
    out = sys.stdout.getvalue()
    assert sum("differences, u" in line for line in out.splitlines()) == 2
    assert "3 float32 1.5 19% 12.3 4567" in lines(out)
    assert "8 float64 1.0 nan FAILED 100 1000" in lines(out)
    assert "1 of 3 rows FAILED" in out
