"""Implementations that take turns, each in a process of its own on the same cores.

When turns alternate (A B A B ...), drifts of the machine's speed hit all alike; the median of the
turns of each is what counts. The machine's own peaks are measured in the same rounds.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.probes import PROBES
from matgrad.commands.bench.processes import Process

LEAST_ROUNDS = 5

PATIENCE = 3.0
"""The seconds of calls after which a process takes no more turns at a case."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a race over one case gives.

    Attributes
    ----------
    seconds
        The median time for the whole batch, by implementation.
    wrong
        The error of each implementation that was not timed for it, as a part of what is allowed.
    flops_per_second, bytes_per_second
        The machine's, measured in the same turns.
    """

    case: Case
    seconds: dict[str, float]
    wrong: dict[str, float]
    flops_per_second: float
    bytes_per_second: float

    def nanoseconds(self, name: str) -> float:
        """Return an implementation's time for one matrix."""
        return 1e9 * self.seconds[name] / self.case.batch

    @property
    def ratio(self) -> float | None:
        """The best other time over matgrad's; None without one of them."""
        others = [seconds for name, seconds in self.seconds.items() if name != "matgrad"]
        return min(others) / self.seconds["matgrad"] if others and self._timed else None

    @property
    def share_of_flops(self) -> float | None:
        """Matgrad's useful operations a second over the machine's."""
        rate = self.case.flops / self.flops_per_second
        return rate / self.seconds["matgrad"] if self._timed else None

    @property
    def share_of_bytes(self) -> float | None:
        """Matgrad's bytes a second over the machine's."""
        rate = self.case.bytes / self.bytes_per_second
        return rate / self.seconds["matgrad"] if self._timed else None

    @property
    def _timed(self) -> bool:
        return "matgrad" in self.seconds


class Race:
    """The processes of implementations and of probes of the machine.

    Parameters
    ----------
    names
        The implementations.
    cores
        The cores that all of them use, one for each thread.
    dtype
        The dtype of the cases to come.

    Attributes
    ----------
    versions
        The version of each implementation that runs.
    absent
        Why each of the others does not.
    """

    def __init__(self, names: Iterable[str], cores: Sequence[int], dtype: str) -> None:
        self.versions: dict[str, str] = {}
        self.absent: dict[str, str] = {}
        self._runners: dict[str, Process] = {}
        self._probes: dict[str, Process] = {}
        self._work: dict[str, float] = {}
        with ExitStack() as processes:
            for name in names:
                self._start(name, cores, processes)
            for name in PROBES:
                self._probes[name] = processes.enter_context(closing(Process("numpy", cores)))
                self._work[name] = self._probes[name].prepare_probe(name, dtype, len(cores))
            self._processes = processes.pop_all()

    def _start(self, name: str, cores: Sequence[int], processes: ExitStack) -> None:
        if find_spec(name) is None:
            self.absent[name] = "not installed"
            return
        try:
            process = processes.enter_context(closing(Process(name, cores)))
        except ChildProcessError as error:
            self.absent[name] = str(error)
        else:
            self._runners[name], self.versions[name] = process, process.version

    def run(self, case: Case, seconds: float, tell: Tell) -> Result:
        """Take turns at a case for so many seconds; `tell` hears what is going on.

        Raises
        ------
        ChildProcessError
            If a process has ended.
        """
        ready, wrong = dict(self._probes), {}
        for name, process in self._runners.items():
            tell(f"n = {case.n}: checking {name}")
            error = process.prepare(case)
            if error is not None and error <= 1:
                ready[name] = process
            elif error is not None:
                wrong[name] = error
        tell(f"n = {case.n}: taking turns")
        medians = _take_turns(ready, seconds)
        flops, moved = (self._work[name] / medians.pop(name) for name in ("matmul", "copy"))
        return Result(case, medians, wrong, flops, moved)

    def close(self) -> None:
        """End all processes."""
        self._processes.close()


def _take_turns(processes: dict[str, Process], seconds: float) -> dict[str, float]:
    turns: dict[str, list[float]] = {name: [] for name in processes}
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < LEAST_ROUNDS or time.monotonic() < end:
        for name, process in processes.items():
            if sum(turns[name]) < PATIENCE:
                turns[name].append(process.time())
        rounds += 1
    return {name: median(times) for name, times in turns.items()}
