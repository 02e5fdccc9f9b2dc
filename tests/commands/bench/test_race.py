from contextlib import closing

import pytest

from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.machine import cores
from matgrad.commands.bench.processes import Process
from matgrad.commands.bench.race import LEAST_ROUNDS, Race, Result

from .conftest import StandIn

CASE = Case("det", 3, "float64", 1000)


def result(**seconds: float) -> Result:
    return Result(CASE, seconds, {}, flops_per_second=18e9, bytes_per_second=8e9)


def test_the_ratio_is_that_of_the_best_other() -> None:
    assert result(matgrad=2e-6, numpy=8e-6, jax=3e-6).ratio == 1.5
    assert result(matgrad=2e-6).ratio is None
    assert result(numpy=8e-6).ratio is None


def test_shares_are_of_what_the_machine_can_do() -> None:
    timed = result(matgrad=20e-6)
    assert timed.nanoseconds("matgrad") == pytest.approx(20)
    assert timed.share_of_flops == pytest.approx(18_000 / 20e-6 / 18e9)
    assert timed.share_of_bytes == pytest.approx(80_000 / 20e-6 / 8e9)
    assert result(numpy=1.0).share_of_flops is None
    assert result(numpy=1.0).share_of_bytes is None


def test_all_take_turns_and_the_wrong_one_does_not_run(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in("linalg.det = lambda X: np.ones(len(X))")
    turns: list[str] = []
    told: list[str] = []
    time = Process.time

    def time_and_note(process: Process) -> float:
        turns.append(process.name)
        seconds: float = time(process)
        return seconds

    monkeypatch.setattr(Process, "time", time_and_note)
    with closing(Race(["matgrad", "torch", "numpy"], cores(1), "float64")) as race:
        found = race.run(CASE, 0, told.append)
    assert turns == ["numpy", "numpy", "matgrad", "numpy"] * LEAST_ROUNDS
    assert set(found.seconds) == {"matgrad", "numpy"}
    assert list(found.wrong) == ["torch"]
    assert found.wrong["torch"] > 1
    assert told == [
        *[f"n = 3: checking {name}" for name in ("matgrad", "torch", "numpy")],
        "n = 3: taking turns",
    ]


def test_what_cannot_run_is_named_with_its_reason(stand_in: StandIn) -> None:
    stand_in("raise ImportError('no such processor')")
    with closing(Race(["numpy", "torch", "nothing"], cores(1), "float32")) as race:
        assert list(race.versions) == ["numpy"]
        assert race.absent["nothing"] == "not installed"
        assert "no such processor" in race.absent["torch"]
