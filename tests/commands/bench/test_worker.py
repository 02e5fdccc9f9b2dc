import time
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from matgrad import linalg
from matgrad.commands.bench import worker
from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.implementations import Function, Implementation
from matgrad.commands.bench.worker import SLICE, Worker

Array = npt.NDArray[Any]
CASE = Case("det", 3, "float64", 10)


def worker_of(**functions: Function) -> Worker:
    return Worker(Implementation("0", functions))


def test_a_right_function_is_found_right_and_timed() -> None:
    right = worker_of(det=np.linalg.det)
    assert right.answer({"case": asdict(CASE)})["error"] <= 1
    assert 0 < right.answer({"time": True})["seconds"] < SLICE


def test_a_wrong_function_is_found_wrong() -> None:
    wrong = worker_of(det=lambda X: 1.001 * np.linalg.det(X))
    assert wrong.answer({"case": asdict(CASE)})["error"] > 1


def test_a_function_that_is_not_there_has_no_error() -> None:
    assert worker_of().answer({"case": asdict(CASE)}) == {}


def test_results_are_waited_for() -> None:
    waited = []

    def wait(results: Array) -> Array:
        waited.append(results)
        return results

    lazy = Worker(Implementation("0", {"det": np.linalg.det}, wait=wait))
    lazy.prepare(CASE)
    before = len(waited)
    lazy.time()
    assert len(waited) > before


@pytest.mark.parametrize("bound", [0, 10**9])
def test_large_results_are_written_over_those_before(
    bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []

    def det(X: Array, out: Array | None = None) -> Array:
        outputs.append(out)
        result: Array = linalg.det(X, out=out)
        return result

    monkeypatch.setattr(worker, "LARGE", bound)
    Worker(Implementation("0", {"det": det}, takes_out=True)).prepare(CASE)
    first, *others = outputs
    assert first is None
    assert others
    assert all((out is not None) == (bound == 0) for out in others)


@pytest.mark.parametrize("name", ["matmul", "copy"])
def test_a_probe_tells_its_work(name: str) -> None:
    machine = worker_of()
    work = machine.answer({"probe": name, "dtype": "float32", "threads": 1})["work"]
    rate = work / machine.answer({"time": True})["seconds"]
    assert 1e6 < rate < 1e15


def test_a_turn_ends_when_no_thread_works() -> None:
    quiet = worker_of(det=np.linalg.det)
    quiet.prepare(CASE)
    quiet.time()
    start = time.process_time()
    time.sleep(0.02)
    assert time.process_time() - start < 0.02
