"""Evaluation: arrays bound to variables, a program for their sizes, results in their shapes."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad.expression.binding import CORE_AXES, Given, bind
from matgrad.expression.executor import prepare
from matgrad.expression.expression import Expression
from matgrad.expression.inference import infer
from matgrad.expression.lowering import lower

Array: TypeAlias = NDArray[Any]
Index: TypeAlias = tuple[Any, ...]

# What appends axes to an array that has so many behind its batch, so that they become two; and
# what takes them away again.
APPEND: Mapping[int, Index] = {0: (..., None, None), 1: (..., None), 2: ()}
REMOVE: Mapping[int, Index] = {0: (..., 0, 0), 1: (..., 0), 2: (...,)}


def evaluate(
    expressions: tuple[Expression, ...],
    arrays: Mapping[str, ArrayLike],
    like: tuple[Expression | None, ...] = (),
) -> tuple[Array, ...]:
    """Return the values of expressions, by one program for all of them.

    Parameters
    ----------
    expressions : tuple of Expression
        The expressions; what they have in common is computed once.
    arrays : mapping of str to array_like
        An array for each variable, as for `Expression.evaluate`.
    like : tuple of Expression or None, optional
        For each expression another one that has its shape, as the variable has that of a gradient.

    Raises
    ------
    TypeError
        If an array is missing, has no variable, or has a dtype that is not supported.
    ValueError
        If a shape does not fit.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> value, gradient = parse("tr(X)"), parse("I")
    >>> X = [[1.0, 2.0], [3.0, 4.0]]
    >>> evaluate((value, gradient), {"X": X}, like=(None, parse("X")))
    (np.float64(5.0), array([[1., 0.],
           [0., 1.]]))
    """
    given = {name: _array(expressions, name, array) for name, array in arrays.items()}
    signature = tuple(
        Given(name, array.shape, array.dtype, type(arrays[name])) for name, array in given.items()
    )
    plan = _plan(expressions, like, signature)
    inputs = [given[name].astype(plan.dtype, copy=False)[axes] for name, axes in plan.inputs]
    outputs = zip(plan.run(inputs), plan.outputs, strict=True)
    # As ufuncs do, [()] makes a number of an array without axes.
    return tuple(output[axes][()] for output, axes in outputs)


def _array(expressions: tuple[Expression, ...], name: str, value: ArrayLike) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:
        subject = ", ".join(map(str, expressions))
        raise ValueError(f"{subject}: {name} is not an array: {error}") from None


class _Plan(NamedTuple):
    """What is the same for all arrays of the same shapes and dtypes."""

    inputs: tuple[tuple[str, Index], ...]
    outputs: tuple[Index, ...]
    dtype: np.dtype[Any]
    run: Callable[[list[Array]], list[Array]]


@lru_cache(maxsize=1024)
def _plan(
    expressions: tuple[Expression, ...],
    like: tuple[Expression | None, ...],
    given: tuple[Given, ...],
) -> _Plan:
    inference = infer(expressions, like)
    binding = bind(expressions, inference, given)
    program = lower(inference.expressions, binding.variables, binding.sizes)
    return _Plan(
        tuple((v.name, APPEND[CORE_AXES[v.declared]]) for v in inference.shapes),
        tuple(REMOVE[CORE_AXES[expression.kind]] for expression in expressions),
        binding.dtype,
        prepare(program, binding.dtype),
    )
