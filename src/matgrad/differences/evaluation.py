"""Calls of the user's function on stacks of points, counted and checked.

What can go wrong with a function is found here and said once: it raises, it returns the wrong
shape or something that is not numbers, it is not finite, it changes its input.
"""

import math
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from matgrad.differences.points import Array, Points, Stack
from matgrad.differences.workers import Pool

Function = Callable[[Any], Any]


class EvaluationError(ValueError):
    """A function could not be evaluated at a point; the message names the point."""


@dataclass(frozen=True)
class Failure:
    """What went wrong, at which row of a task if that is known; travels between processes."""

    sentence: str
    row: int | None = None
    error: Exception | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Failure, (self.sentence, self.row, _as_sent(self.error))


def _as_sent(error: Exception | None) -> Exception | None:
    """Return an exception that pickles: some do not, and some cannot be made of their arguments."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@dataclass(frozen=True)
class StackCall:
    """One call of a function for a whole stack; `exploring` it may leave its domain in silence.

    ``moved`` is the stack, where it can tell by itself that it has not been written to.
    """

    f: Function
    exploring: bool
    moved: Stack | None = None

    def __call__(self, stack: Array) -> Array | Failure:
        """Return the values on the stack, or why there are none."""
        guard = self.moved or _Copied(stack, stack.copy())
        try:
            with np.errstate(all="ignore") if self.exploring else nullcontext():
                values = self.f(stack)
        except Exception as error:
            return Failure(f"raised {type(error).__name__}: {error}", error=error)
        if not guard.is_unchanged():
            return Failure("changed its input")
        return _numbers(values)


@dataclass(frozen=True)
class _Copied:
    """An array that a function gets, and what it was."""

    array: Array
    given: Array

    def is_unchanged(self) -> bool:
        return np.array_equal(self.array, self.given)


@dataclass(frozen=True)
class PointCalls:
    """One call of a function for each point of a stack; NaN where it raises while exploring."""

    f: Function
    exploring: bool

    def __call__(self, stack: Array) -> Array | Failure:
        """Return the values on the stack, or why there are none."""
        call = StackCall(self.f, self.exploring)
        values: dict[int, Array] = {}
        failure = None
        for row, point in enumerate(stack):
            value = call(point.copy())
            if isinstance(value, Failure):
                failure = replace(value, row=row)
                if not (self.exploring and value.error):
                    return failure
            else:
                values[row] = value
        return failure if failure and not values else _rows(values, len(stack))


def _rows(values: dict[int, Array], size: int) -> Array | Failure:
    """Put the values of some rows into all rows, with NaN in the others."""
    shape = next(iter(values.values())).shape
    rows = np.full((size, *shape), np.nan, np.result_type(*values.values()))
    for row, value in values.items():
        if value.shape != shape:
            return Failure(f"returned shape {value.shape}, elsewhere {shape}", row)
        rows[row] = value
    return rows


def _points(stack: Array | Stack) -> Array:
    return stack.points if isinstance(stack, Stack) else stack


def _numbers(values: object) -> Array | Failure:
    if isinstance(values, tuple):
        return Failure(f"returned a tuple of {len(values)} where one array is needed")
    try:
        array = np.array(values)  # a copy: what f returns may be a buffer that it fills again
    except Exception as error:
        return Failure(f"returned what NumPy cannot read: {error}", error=error)
    if array.dtype.kind not in "biufc":
        return Failure(f"returned dtype {array.dtype} where numbers are needed")
    return array if array.dtype.kind in "fc" else array.astype(float)


class Evaluation:
    """A function at and around a batch of points.

    ``base`` (points, outputs) is the value at the points themselves, ``out`` the shape of one
    value, ``count`` the number of evaluations so far for each point, ``failure`` why the last
    exploration that failed did.
    """

    def __init__(
        self,
        f: Function,
        points: Points,
        pool: Pool,
        *,
        vectorized: bool,
        caller: str,
        name: str = "f",
    ) -> None:
        self.points, self.caller, self.name, self.count = points, caller, name, 0
        self._pool, self._vectorized = pool, vectorized
        self._f = f
        self._values: tuple[int, ...] | None = None
        self.failure: Failure | None = None
        if not points.size:
            raise ValueError(f"{caller} needs at least one point; got the batch {points.batch}")
        self._real = False  # until the values at the points are known
        self.base = self(points.flat[np.newaxis].copy())[0]
        self._real = not np.iscomplexobj(self.base)

    @property
    def out(self) -> tuple[int, ...]:
        """The shape of the value at one point."""
        return self._values or ()

    def _inside(self, stack: Array, values: Array) -> Array:
        """Return NaN where a real function of real numbers has turned complex."""
        if self._real and np.iscomplexobj(values) and not np.iscomplexobj(stack):
            return np.where(values.imag == 0, values.real, np.nan)
        return values

    @property
    def trouble(self) -> str:
        """What to add to a message that nothing finite was found: how f failed, if it did."""
        return f"; {self.name} {self.failure.sentence}" if self.failure else ""

    def __call__(self, stack: Array | Stack) -> Array:
        """Return the values (k, points, outputs) on a stack (k, points, entries), all finite."""
        stack, values = _points(stack), self._raw(stack, exploring=False)
        if isinstance(values, Failure):
            raise self._error(stack, values) from values.error
        inside = self._inside(stack, values)
        bad = ~np.isfinite(inside)
        if bad.any():
            k, point, output = (int(i) for i in np.argwhere(bad)[0])
            raise EvaluationError(
                f"{self.caller} needs finite values, real ones if {self.name} is real at x; "
                f"{self.name} is {values[k, point, output]} at "
                f"{self.points.name(point, stack[k, point])}"
            )
        return inside

    def explore(self, stack: Array | Stack) -> Array:
        """Return the values on a stack that may reach outside the domain of f: NaN is there.

        A function of stacks that raises is NaN on all of the stack; what it returns, where it
        does, must be right.
        """
        stack, values = _points(stack), self._raw(stack, exploring=True)
        if not isinstance(values, Failure):
            values = self._inside(stack, values)
            return np.where(np.isfinite(values), values, np.nan)
        if values.error is None:
            raise self._error(stack, values)
        self.failure = values
        return np.full((len(stack), *self.base.shape), np.nan, dtype=self.base.dtype)

    def _raw(self, given: Array | Stack, *, exploring: bool) -> Array | Failure:
        stack = _points(given)
        self.count += len(stack)
        if self._vectorized:
            shaped, lead = self.points.stacked(stack), (len(stack), *self.points.batch)
        else:
            lead = (len(stack) * self.points.size,)
            shaped = stack.reshape(*lead, *self.points.shape)
        tasks = np.array_split(shaped, max(1, min(self._pool.tasks, len(shaped))))
        call: StackCall | PointCalls = PointCalls(self._f, exploring)
        if self._vectorized:
            moved = given if isinstance(given, Stack) and len(tasks) == 1 else None
            call = StackCall(self._f, exploring, moved)
        done, first = list[Array](), 0
        for task, result in zip(tasks, self._pool.map(call, tasks), strict=True):
            if isinstance(result, Failure):
                return Failure(result.sentence, first + (result.row or 0), result.error)
            if failure := self._shape_failure(result, (len(task), *lead[1:])):
                return failure
            done.append(result)
            first += len(task)
        values = np.concatenate(done) if len(done) > 1 else done[0]
        return values.reshape(len(stack), self.points.size, math.prod(self.out))

    def _shape_failure(self, values: Array, lead: tuple[int, ...]) -> Failure | None:
        """Fix the shape of one value by the first call, hold all others to it."""
        if values.shape[: len(lead)] != lead:
            return Failure(
                f"returned shape {values.shape} for a stack of shape {lead + self.points.shape}, "
                f"which must begin with {lead} (a function of one point needs vectorized=False)"
            )
        out = values.shape[len(lead) :]
        if self._values is None:
            self._values = out
        if out != self._values:
            return Failure(f"returned values of shape {out}, elsewhere {self._values}")
        return None

    def _error(self, stack: Array, failure: Failure) -> EvaluationError:
        k, point = failure.row or 0, 0
        if not self._vectorized:
            k, point = divmod(k, self.points.size)
        elif failure.error is not None:
            k = self._culprit(stack)
        else:  # all of the stack is at fault, and f may have written to it
            stack = self.points.flat[np.newaxis]
        where = self.points.name(point, stack[k, point])
        if self._vectorized and self.points.size > 1:
            where = f"a stack of all {self.points.size} points, the first of them {where}"
        return EvaluationError(f"{self.caller}: {self.name} {failure.sentence}, at {where}")

    def _culprit(self, stack: Array) -> int:
        """Return the first row of the stack on which f raises alone, found by halving."""
        call = StackCall(self._f, exploring=True)
        low, high = 0, len(stack)
        while high - low > 1:
            middle = (low + high) // 2
            raises = isinstance(call(self.points.stacked(stack[low:middle])), Failure)
            low, high = (low, middle) if raises else (middle, high)
        return low
