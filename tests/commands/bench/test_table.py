import io
import sys

import pytest

from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.race import Result
from matgrad.commands.bench.table import Table, counted, status

NAMES = ["matgrad", "numpy", "scipy", "torch", "jax"]


def result(n: int, batch: int, seconds: dict[str, float], **wrong: float) -> Result:
    return Result(Case("slogdet", n, "float64", batch), seconds, wrong, 1e11, 1e10)


def cells(row: str) -> list[str]:
    return row.split()


def test_a_row_has_a_time_for_each_implementation(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("slogdet", NAMES)
    times = {"matgrad": 2e-6, "numpy": 1e-4, "jax": 3e-6}
    table.add(result(3, 1000, times, torch=99.0), large=True)
    table.add(result(512, 16, {"matgrad": 0.2, "numpy": 0.3}), large=False)
    title, _, heading, small, large = capsys.readouterr().out.strip().splitlines()
    assert title == "slogdet"
    assert cells(heading) == ["n", "batch", *NAMES, "ratio", "matmul", "copy"]
    assert cells(small) == cells("3 1000 2.00 100 - WRONG 3.00 1.50 9.0% 440%")
    assert cells(large) == cells("512 16 12500000 18750000 - - - 1.50 7.2%")
    assert [small.index("1.50"), small.index("9.0%")] == [large.index("1.50"), large.index("7.2%")]


def test_without_matgrad_there_is_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    Table("slogdet", NAMES).add(result(3, 10, {"numpy": 1e-6}, matgrad=2.0), large=True)
    row = capsys.readouterr().out.splitlines()[-1]
    assert cells(row) == cells("3 10 WRONG 100 - - -")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_what_is_going_on_and_forgets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with status("det") as tell:
        tell("n = 3: taking turns")
    clear = "\r\x1b[K"
    assert terminal.getvalue() == f"{clear}det, n = 3: taking turns ...{clear}"


def test_a_pipe_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with status("det") as tell:
        tell("n = 3: taking turns")
    assert capsys.readouterr().err == ""


def test_one_core_is_one() -> None:
    assert counted(1, "matrix", "matrices") == "1 matrix"
    assert counted(2, "matrix", "matrices") == "2 matrices"
