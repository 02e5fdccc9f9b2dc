from contextlib import closing

import pytest

from matgrad.commands.bench import race
from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.machine import cores
from matgrad.commands.bench.processes import Process
from matgrad.commands.bench.race import LEAST_ROUNDS, Race, Result

from ..conftest import StandIn

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


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list that the names of those whose turn it is go into."""
    names: list[str] = []
    time = Process.time

    def time_and_note(process: Process) -> float:
        names.append(process.name)
        seconds: float = time(process)
        return seconds

    monkeypatch.setattr(Process, "time", time_and_note)
    return names


def test_all_take_turns_and_the_wrong_one_does_not_run(stand_in: StandIn, turns: list[str]) -> None:
    stand_in("linalg.det = lambda X: np.ones(len(X))")
    told: list[str] = []
    with closing(Race(["matgrad", "torch", "numpy"], cores(1), "float64")) as all_three:
        found = all_three.run(CASE, 0, told.append)
    assert turns == ["numpy", "numpy", "matgrad", "numpy"] * LEAST_ROUNDS
    assert set(found.seconds) == {"matgrad", "numpy"}
    assert list(found.wrong) == ["torch"]
    assert found.wrong["torch"] > 1
    assert told == [
        *[f"n = 3: checking {name}" for name in ("matgrad", "torch", "numpy")],
        "n = 3: taking turns",
    ]


def test_a_slow_one_takes_few_turns(
    stand_in: StandIn, turns: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in("import time; linalg.det = lambda X: (time.sleep(0.2), np.linalg.det(X))[1]")
    monkeypatch.setattr(race, "PATIENCE", 0.3)
    with closing(Race(["matgrad", "torch"], cores(1), "float64")) as slow:
        assert slow.run(CASE, 0, lambda text: None).seconds["torch"] > 0.2
    assert turns.count("torch") == 2
    assert turns.count("matgrad") == LEAST_ROUNDS


def test_what_cannot_run_is_named_with_its_reason(stand_in: StandIn) -> None:
    stand_in("raise ImportError('no such processor')")
    with closing(Race(["numpy", "torch", "nothing"], cores(1), "float32")) as one:
        assert list(one.versions) == ["numpy"]
        assert one.absent["nothing"] == "not installed"
        assert "no such processor" in one.absent["torch"]
