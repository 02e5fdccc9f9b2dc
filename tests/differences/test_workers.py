import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import matgrad
from matgrad.differences import EvaluationError, StackedMap


def squares(x: Any) -> Any:
    return float(x @ x)


def raising(x: Any) -> Any:
    raise ArithmeticError("out of numbers")


X = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("vectorized", [True, False])
def test_threads_and_map_likes_give_the_same(vectorized: Any) -> None:
    def f(x: Any) -> Any:
        return np.sum(x * x, axis=-1)

    alone = matgrad.jacobian(f, X, ndim=1, vectorized=vectorized)
    with ThreadPoolExecutor(2) as threads:
        for workers in (threads, threads.map, map):
            J = matgrad.jacobian(f, X, ndim=1, vectorized=vectorized, workers=workers)
            np.testing.assert_array_equal(J, alone)


def test_processes_give_the_same() -> None:
    J = matgrad.jacobian(squares, X, ndim=1, vectorized=False, workers=2)
    np.testing.assert_allclose(J, 2 * X, atol=1e-8)


def test_error_in_a_process_names_the_point() -> None:
    with pytest.raises(EvaluationError, match=r"ArithmeticError: out of numbers, at point \(0,\)"):
        matgrad.jacobian(raising, X, ndim=1, vectorized=False, workers=2)


class OfTwoArguments(Exception):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


class WithLock(Exception):
    def __init__(self) -> None:
        super().__init__("a lock")
        self.lock = threading.Lock()


def of_two_arguments(x: Any) -> Any:
    raise OfTwoArguments("one", "two")


def with_lock(x: Any) -> Any:
    raise WithLock


@pytest.mark.parametrize(
    ("f", "told"),
    [(of_two_arguments, "OfTwoArguments: one and two"), (with_lock, "WithLock: a lock")],
)
def test_exceptions_that_do_not_pickle_come_as_text(f: Any, told: str) -> None:
    with pytest.raises(EvaluationError, match=rf"f raised {told}, at point \(0,\)") as caught:
        matgrad.jacobian(f, X, ndim=1, vectorized=False, workers=2)
    assert repr(caught.value.__cause__) == f"RuntimeError('{told}')"


def test_process_that_dies_is_an_error_and_not_a_wait() -> None:
    with pytest.raises(RuntimeError, match="terminated abruptly"):
        matgrad.jacobian(dying, X, ndim=1, vectorized=False, workers=2)


def dying(x: Any) -> Any:
    os._exit(1)


def test_functions_that_do_not_pickle_are_refused_before_any_process_starts() -> None:
    with pytest.raises(
        TypeError, match=r"workers=2 sends functions to other processes.*does not pickle"
    ):
        matgrad.jacobian(lambda x: x.sum(), X, ndim=1, vectorized=False, workers=2)


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
def test_interrupt_stops_the_workers(tmp_path: Any) -> None:
    script = tmp_path / "sleeper.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, pathlib, sys, time
            import numpy as np
            import matgrad

            folder = pathlib.Path(sys.argv[1])

            def sleep(x):
                if x[0] != 1:
                    (folder / f"{os.getpid()}.pid").touch()
                    time.sleep(300)
                return x.sum()

            if __name__ == "__main__":
                matgrad.jacobian(sleep, np.ones(4), ndim=1, vectorized=False, workers=2)
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    workers = wait_for(lambda: [int(p.stem) for p in tmp_path.glob("*.pid")])
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in told
    wait_for(lambda: not any(alive(pid) for pid in workers))


def wait_for(condition: Any, seconds: Any = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_stacked_map_refuses_another_function() -> None:
    workers = StackedMap(lambda x: x.sum(axis=-1))
    with pytest.raises(ValueError, match="was made for another function"):
        workers(squares, [np.array([1.0, 2.0])])


def test_stacked_map_needs_a_value_for_each_point() -> None:
    with pytest.raises(ValueError, match="map 2 points to 2 values"):
        StackedMap(np.sum)(squares, [np.ones(2), np.ones(2)])
    assert StackedMap(np.sum)(squares, []) == []
