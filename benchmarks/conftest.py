"""The pinned processes that the benchmarks share, and the stopwatch that they hold.

    pytest benchmarks                                  on one core
    pytest benchmarks --threads 2 -k "det and torch"   on two, a part of them

Each implementation runs in a process of its own that has no other cores. pytest-benchmark reads a
stopwatch that this process sets going, so the way to it and back costs nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from importlib.util import find_spec
from typing import Any

import pytest

from matgrad.commands.bench import thread_count
from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.machine import cores
from matgrad.commands.bench.processes import Process
from matgrad.commands.bench.table import counted

ROUNDS = 10


class Stopwatch:
    """A clock that goes by what processes report."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds

    def run(self, process: Process) -> None:
        """Let the time of one call go by."""
        self.seconds += process.time()


STOPWATCH = Stopwatch()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--threads", type=thread_count, default=1, help="cores for each implementation, or all"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the stopwatch to what `measure` times; other benchmarks keep their own clock."""
    for item in items:
        if "measure" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=STOPWATCH))


@pytest.fixture(scope="session")
def threads(request: pytest.FixtureRequest) -> int:
    count: int = request.config.getoption("--threads")
    return count


@pytest.fixture(scope="session")
def process_of(threads: int) -> Iterator[Callable[[str], Process]]:
    """Return a function that gives the process of an implementation, the same each time."""
    started: dict[str, Process] = {}
    with ExitStack() as processes:

        def process_of(name: str) -> Process:
            if find_spec(name) is None:
                pytest.skip(f"{name} is not installed")
            if name not in started:
                started[name] = processes.enter_context(closing(Process(name, cores(threads))))
            return started[name]

        yield process_of


@pytest.fixture
def measure(benchmark: Any, process_of: Callable[[str], Process]) -> Callable[[str, Case], None]:
    """Return a function that checks and times an implementation at a case."""

    def measure(name: str, case: Case) -> None:
        process = process_of(name)
        error = process.prepare(case)
        if error is None:
            pytest.skip(f"{name} has no {case.operation}")
        assert error <= 1, f"{name} is off by {error:.2g} times what is allowed"
        matrices = counted(case.batch, "matrix", "matrices")
        benchmark.group = f"{case.operation}, {matrices} of size {case.n}, {case.dtype}"
        benchmark.extra_info.update(batch=case.batch, version=process.version)
        benchmark.pedantic(STOPWATCH.run, args=(process,), rounds=ROUNDS)

    return measure
