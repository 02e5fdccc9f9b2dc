import json
import subprocess
import sys
from contextlib import closing

import pytest

from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.machine import cores
from matgrad.commands.bench.processes import START, Process

from ..conftest import StandIn

CASE = Case("det", 3, "float64", 10)

WHAT_A_LIBRARY_FINDS = """
import json
names = "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS OPENBLAS_CORETYPE".split()
found = {name: os.environ.get(name) for name in names}
__version__ = json.dumps([sorted(os.sched_getaffinity(0)), found])
"""


def test_a_library_is_loaded_on_its_cores(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    stand_in(WHAT_A_LIBRARY_FINDS)
    with closing(Process("torch", cores(1))) as process:
        affinity, environment = json.loads(process.version)
    assert affinity == cores(1)
    assert environment.pop("OPENBLAS_CORETYPE") is None
    assert set(environment.values()) == {"1"}


def test_what_a_library_prints_is_no_answer(stand_in: StandIn) -> None:
    stand_in("print('hello'); os.system('echo hello')\n__version__ = '1'")
    with closing(Process("torch", cores(1))) as process:
        assert process.version == "1"
        assert process.prepare(CASE) is not None
        assert process.time() > 0


def test_a_library_that_cannot_be_loaded_says_why(stand_in: StandIn) -> None:
    stand_in("raise ImportError('no such processor')")
    reason = "measures torch ended with exit code 1: ImportError: no such processor"
    with pytest.raises(ChildProcessError, match=reason):
        Process("torch", cores(1))


def test_a_process_that_ends_says_so_however_often_it_is_asked(stand_in: StandIn) -> None:
    stand_in("linalg.det = lambda X: os._exit(3)")
    with closing(Process("torch", cores(1))) as process:
        for _ in range(2):
            with pytest.raises(ChildProcessError, match="exit code 3: it said nothing"):
                process.prepare(CASE)


def test_a_process_ends_when_nobody_can_ask_any_more() -> None:
    command = [sys.executable, "-c", START.format(name="numpy", cores=cores(1))]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert result.returncode == 0
