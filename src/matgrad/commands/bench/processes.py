"""Worker processes, each pinned to its cores before it loads anything."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from matgrad.commands.bench.cases import Case

# Libraries count their threads when they are loaded: OpenMP and the BLASes by these variables, XLA
# by the cores that the process may use.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# Settings that make OpenBLAS take the processor for another one, or OpenMP take other cores.
UNWANTED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "GOMP_CPU_AFFINITY", "OMP_PLACES")

START = """\
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {cores})
from matgrad.commands.bench.worker import serve
serve({name!r})
"""


class Process:
    """A process that measures one implementation.

    Parameters
    ----------
    name
        The implementation.
    cores
        The cores that it may use, one for each thread.

    Raises
    ------
    ChildProcessError
        If the implementation cannot be loaded; and, from any method, if the process has ended.
    """

    def __init__(self, name: str, cores: Sequence[int]) -> None:
        self.name = name
        self._complaints = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (close)
        self._process = subprocess.Popen(
            [sys.executable, "-c", START.format(name=name, cores=list(cores))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=_environment(len(cores)),
            text=True,
        )
        try:
            self.version: str = self._answer()["version"]
        except BaseException:
            self.close()
            raise

    def prepare(self, case: Case) -> float | None:
        """Make a case ready; return the error as a part of what is allowed.

        None means that the implementation does not have the operation.
        """
        error: float | None = self._ask({"case": asdict(case)}).get("error")
        return error

    def prepare_probe(self, name: str, dtype: str, threads: int) -> float:
        """Make a probe of the machine ready; return the work of one call of it."""
        work: float = self._ask({"probe": name, "dtype": dtype, "threads": threads})["work"]
        return work

    def time(self) -> float:
        """Return the seconds for one call of what is ready."""
        seconds: float = self._ask({"time": True})["seconds"]
        return seconds

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait()  # its complaint says more, and `_answer` reads that
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(f"the process that measures {self.name} {self._end()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> str:
        code = self._process.wait()
        self._complaints.seek(0)
        complaints = self._complaints.read().split("\n")
        last = next((line for line in reversed(complaints) if line.strip()), "it said nothing")
        return f"ended with exit code {code}: {last.strip()}"


def _environment(threads: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    return kept | dict.fromkeys(THREADS, str(threads))
