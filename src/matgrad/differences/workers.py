"""Who evaluates: this process, others, threads, or whatever map-like comes.

Processes come from a fork server where there is one, as in Python 3.14: forking a process
that runs threads (OpenMP's, BLAS's) may hang the child.
"""

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np

from matgrad.differences.points import Array

MapLike = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
Workers = int | Executor | MapLike


@dataclass(frozen=True)
class Pool:
    """A map-like, and into how many tasks a stack is cut for it."""

    map: MapLike
    tasks: int


@contextmanager
def pool(workers: Workers, f: object, caller: str) -> Iterator[Pool]:
    """Open what `workers` asks for; an exception, an interrupt too, ends own processes at once."""
    cores = os.cpu_count() or 1
    if isinstance(workers, Executor):
        yield Pool(workers.map, 2 * cores)
    elif callable(workers):
        yield Pool(workers, 2 * cores)
    elif not isinstance(workers, Integral):
        raise TypeError(
            f"{caller} needs workers that are a number, an executor or a map-like; got {workers!r}"
        )
    elif workers == 1:
        yield Pool(map, 1)
    elif workers == -1 or workers > 1:
        _require_pickles(f, workers, caller)
        count = cores if workers == -1 else workers
        with _processes(count) as executor:
            yield Pool(executor.map, 2 * count)
    else:
        raise ValueError(f"{caller} needs workers of 1 or more, or -1 for all cores; got {workers}")


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    executor = ProcessPoolExecutor(count, mp_context=context)
    try:
        yield executor
    except BaseException:
        _terminate(executor)
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _terminate(executor: ProcessPoolExecutor) -> None:
    """Do what ``terminate_workers`` of Python 3.14 does: a worker may be hours inside f."""
    for process in list((executor._processes or {}).values()):
        process.terminate()


def _require_pickles(f: object, workers: int, caller: str) -> None:
    try:
        pickle.dumps(f)
    except Exception as error:
        raise TypeError(
            f"{caller} with workers={workers} sends functions to other processes, and one does not "
            f"pickle ({error}); define it at the top of a module, or pass a ThreadPoolExecutor"
        ) from error


@dataclass
class StackedMap:
    """A map-like that evaluates a function of stacks once for all points.

    SciPy's optimizers difference a function of one point through the map-like in
    ``options={"workers": ...}`` (SciPy 1.16 and later). With this one, the points of a
    gradient are one call of `f` on a stack of shape (k, n).

    Parameters
    ----------
    f : callable
        The function that the optimizer minimizes, accepting leading axes: (k, n) -> (k, ...).

    Notes
    -----
    The function that SciPy passes on takes one point, so `f` is called in its place. The first
    point of the first call is evaluated by both, and they must agree.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.optimize import minimize, rosen
    >>> from matgrad.differences import StackedMap
    >>> f = lambda x: rosen(x.T)
    >>> workers = StackedMap(f)
    >>> best = minimize(f, np.zeros(5), method="BFGS", options={"workers": workers})
    >>> np.allclose(best.x, 1, atol=1e-4)
    True
    """

    f: Callable[[Array], Any]
    _agreed: bool = field(default=False, init=False, repr=False)

    def __call__(self, function: Callable[[Array], Any], points: Iterable[Array]) -> list[Any]:
        """Return ``[f(x) for x in points]``, computed in one call."""
        stack = np.array(list(points))
        if not len(stack):
            return []
        values = np.asarray(self.f(stack))
        if values.shape[:1] != stack.shape[:1]:
            raise ValueError(
                f"StackedMap needs f to map {len(stack)} points to {len(stack)} values; got "
                f"shape {values.shape}"
            )
        if not self._agreed:
            self._require_agreement(function, stack[0], values[0])
        return list(values)

    def _require_agreement(self, function: Callable[[Array], Any], x: Array, value: Array) -> None:
        alone = np.reshape(function(x.copy()), np.shape(value))
        if not np.allclose(alone, value, rtol=1e-6, atol=0, equal_nan=True):
            raise ValueError(
                f"StackedMap was made for another function: at x = {x} it gives {value}, the "
                f"function to map {alone}"
            )
        self._agreed = True
