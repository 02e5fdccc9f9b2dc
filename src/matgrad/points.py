"""Points: what is known of an objective at one x, as far as somebody has asked.

A point is never changed: what is computed beyond it makes a new one, so threads can share it.
Outside the domain of the objective its value is what `on_failure` says, and derivatives are NaN.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad._native.memory import all_finite
from matgrad.compilation import Compilation
from matgrad.expression.executor import Registers
from matgrad.expression.silence import silently
from matgrad.expression.stages import CONSTANT, VALUE, Level

Array: TypeAlias = NDArray[Any]
OnFailure = Literal["inf", "nan", "raise"]


@dataclass(slots=True)
class Point:
    """A point, computed up to a level; not frozen, which would cost 2 us at each.

    Parameters
    ----------
    source : ndarray
        x as it came: a copy, by which the point is known, unless the point is not kept.
    x : ndarray, shape (..., size)
        x, flat, in the dtype of the objective.
    compilation : Compilation
        What computes.
    level : Level
        How far the point is known.
    registers : list
        What has been computed.
    value : ndarray, shape (...) or (..., m), or number
        The value or the residuals.
    failed : ndarray of bool, shape (...), or bool
        Where x is outside the domain.
    """

    source: Array
    x: Array
    compilation: Compilation
    level: Level
    registers: Registers
    value: Any = None
    failed: Any = None


def start(x: Array, compilation: Compilation, level: Level) -> Point:
    """Return a point of which nothing has been computed, and which will be up to a level.

    It is at a copy of x if it is kept. An x in other than C order is copied all the same, so that
    the same is computed of it.
    """
    if compilation.keeps(level) or not (x.flags.c_contiguous and x.flags.aligned):
        source = compilation.memory.copy(x, x.shape)
    else:
        source = x
    flat = source.reshape(compilation.flat_shape)
    if flat.dtype is not compilation.dtype:
        flat = flat.astype(compilation.dtype)
    if compilation.coordinates.is_plain:
        return Point(source, flat, compilation, CONSTANT, compilation.start(flat))
    return Point(source, flat, compilation, CONSTANT, silently(compilation.start, flat))


def advance(point: Point, level: Level, on_failure: OnFailure) -> Point:
    """Return the point, computed up to a level.

    Raises
    ------
    numpy.linalg.LinAlgError
        If x is outside the domain and `on_failure` is "raise".
    """
    compilation = point.compilation
    if point.level > CONSTANT:
        registers, value, failed = point.registers.copy(), point.value, point.failed
        point = Point(point.source, point.x, compilation, point.level, registers, value, failed)
    # A point of which nothing has been computed is nobody else's yet.
    registers = point.registers
    silently(compilation.stages.run, registers, point.level, level)
    if point.level < VALUE:
        value = compilation.value_in(registers)
        failed = _failed(compilation, registers, value)
        point.value = value if failed is False else _replaced(value, failed, on_failure)
        point.failed = failed
    point.level = level
    return point


def gradient(point: Point) -> Array:
    """Return the gradient at a point of that level, a new array."""
    compilation = point.compilation
    if compilation.coordinates.is_plain:
        found = compilation.gradient_in(point.registers, point.x)
    else:
        found = silently(compilation.gradient_in, point.registers, point.x)
    return found if point.failed is False else _without(found, point.failed)


def product(point: Point, p: Array) -> Array:
    """Return the Hessian product of a scalar, or the Jacobian product of residuals, along p."""
    found: Array = silently(point.compilation.product_in, point.registers, point.x, p)
    return found if point.failed is False else _without(found, point.failed)


def _failed(compilation: Compilation, registers: Registers, value: Any) -> Any:
    """Return where x is outside the domain, False where that is nowhere."""
    is_finite = isfinite(value) if value.ndim == 0 else all_finite(value)
    if is_finite and not compilation.definite:
        return False
    inside = np.isfinite(value)
    inside = inside if compilation.is_scalar else inside.all(axis=-1)
    for register in compilation.definite:
        inside = inside & is_definite(registers[register])
    return False if inside.all() else np.asarray(np.logical_not(inside))


def _replaced(value: Any, failed: Array, on_failure: OnFailure) -> Array:
    """Return the value with what stands for a failure."""
    if on_failure == "raise":
        where = "" if failed.ndim == 0 else f" in problem {int(np.argmax(failed))} of the batch"
        raise np.linalg.LinAlgError(
            f"x is outside the domain{where}: a matrix is singular or not positive definite, "
            "or the value is not finite"
        )
    places = failed.reshape((*failed.shape, *(1,) * (np.ndim(value) - failed.ndim)))
    return np.where(places, float(on_failure), value)[()]


def _without(derivative: Array, failed: Array) -> Array:
    """Return derivatives with NaN where x is outside the domain."""
    return np.where(failed[..., None], np.nan, derivative)


def is_definite(X: Array) -> Any:
    """Return which symmetric matrices are positive definite."""
    try:
        np.linalg.cholesky(X)
    except np.linalg.LinAlgError:
        if X.ndim == 2:
            return False
        flat = [is_definite(each) for each in X.reshape(-1, *X.shape[-2:])]
        return np.reshape(flat, X.shape[:-2])
    return np.True_ if X.ndim == 2 else np.ones(X.shape[:-2], bool)
