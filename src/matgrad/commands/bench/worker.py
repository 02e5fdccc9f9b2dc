"""The process that measures one implementation, pinned to its cores.

It reads requests from standard input and answers each on standard output, a line of JSON each; it
ends when the input does.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from timeit import timeit
from typing import Any, TextIO

import numpy as np

from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.implementations import LOADERS, Implementation
from matgrad.commands.bench.probes import PROBES

Answer = dict[str, Any]

SLICE = 0.01
"""The seconds that a measurement takes at least: many ticks of the clock, few of the scheduler."""

LARGE = 2**25
"""The bytes from which malloc gives memory back after each call, for the kernel to clear anew.

From there on results are written over those of the call before, by implementations that can.
"""


def serve(name: str) -> None:
    """Answer requests about an implementation until there are no more."""
    answers = _standard_output_alone()
    worker = Worker(LOADERS[name]())
    _send(answers, {"version": worker.implementation.version})
    for line in sys.stdin:
        _send(answers, worker.answer(json.loads(line)))


def _standard_output_alone() -> TextIO:
    """Return standard output; what libraries print goes to standard error from here on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _send(answers: TextIO, answer: Answer) -> None:
    print(json.dumps(answer), file=answers, flush=True)


class Worker:
    """One implementation with what it is about to run, and how often for one measurement."""

    def __init__(self, implementation: Implementation) -> None:
        self.implementation = implementation
        self._call: Callable[[], object] = bool
        self._calls = 1

    def answer(self, request: dict[str, Any]) -> Answer:
        """Carry out a request: {"case": {...}}, {"probe": name, ...} or {"time": true}."""
        if "case" in request:
            return self.prepare(Case(**request["case"]))
        if "probe" in request:
            return self.probe(request["probe"], request["dtype"], request["threads"])
        return {"seconds": self.time()}

    def prepare(self, case: Case) -> Answer:
        """Make the batch and check the results; answer {"error": its size}, {} if there is none."""
        self._call = bool  # frees the arrays of the case before
        function = self.implementation.functions.get(case.operation)
        if function is None:
            return {}
        array = self.implementation.array or np.asarray
        arguments = [array(matrices) for matrices in case.arguments()]
        call = partial(function, *arguments)
        outputs = self._waiting(call)()
        results = outputs if isinstance(outputs, tuple) else (outputs,)
        answer = {"error": case.error(tuple(map(np.asarray, results)))}
        if self.implementation.takes_out and case.bytes >= LARGE:
            call = partial(call, out=outputs)
        self._be_about(self._waiting(call))
        return answer

    def probe(self, name: str, dtype: str, threads: int) -> Answer:
        """Prepare a probe of the machine; answer {"work": what one call of it does}."""
        call, work = PROBES[name](dtype, threads)
        self._be_about(call)
        return {"work": work}

    def time(self) -> float:
        """Return the seconds for one call."""
        self._call()  # wakes threads, brings into the caches what others' turns have thrown out
        seconds = timeit(self._call, number=self._calls) / self._calls
        self._fall_asleep()
        return seconds

    def _waiting(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """Return a call that ends when its results are there, with no layer more than it needs."""
        wait = self.implementation.wait
        return (lambda: wait(call())) if wait else call

    def _be_about(self, call: Callable[[], object]) -> None:
        self._call, self._calls = call, 1
        while timeit(call, number=self._calls) < SLICE:
            self._calls *= 2

    def _fall_asleep(self) -> None:
        """Wait until no thread works: OpenMP's spin for a while, which would slow the next turn."""
        for _ in range(100):
            start = time.process_time()
            time.sleep(0.005)
            if time.process_time() - start < 0.0005:
                return
