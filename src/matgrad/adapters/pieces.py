"""An oracle or a formula as a function of arrays that are cut into pieces along their batch."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.expression.binding import CORE_AXES
from matgrad.formulas import Formula
from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]
Subject: TypeAlias = Oracle | Formula


class Pieces:
    """The value and the gradient of a piece, a function of the arrays' pieces.

    Parameters
    ----------
    subject : Oracle or Formula
        A scalar; a formula may be of any kind that has a derivative.
    x : array
        Where; only shape and dtype are looked at, and so are those of the constants.
    constants : mapping of str to array or number
        What `moving_constants` returns.

    Attributes
    ----------
    names : tuple of str
        The arguments behind x: the constants that are arrays.
    cores : dict of str to int
        How many axes a point of each argument has, by name; x has the names of its variables.
    value, gradient : ndarray
        Results without points: they show dtypes and the axes behind the batch.

    Raises
    ------
    TypeError
        If a constant is missing or has no variable.
    ValueError
        If a shape does not fit, or the formula is an identity.
    """

    def __init__(self, subject: Subject, x: Any, constants: Mapping[str, Any]) -> None:
        if isinstance(subject, Formula) and subject.kind == "identity":
            raise ValueError(f"value_and_gradient needs a function; {subject.id} is an identity")
        wrt = (subject.wrt,) if isinstance(subject, Formula) else subject.wrt
        axes = constant_axes(subject)
        self.subject = subject
        self.numbers = {name: each for name, each in constants.items() if np.isscalar(each)}
        self.names = tuple(name for name in constants if name not in self.numbers)
        points = {name: _point(constants[name], axes.get(name, 0)) for name in self.names}
        core = _core(subject, x.shape, {**self.numbers, **points})
        self.cores = {"_".join(wrt): len(core), **{name: axes.get(name, 0) for name in self.names}}
        none = {name: _stack(point, axes.get(name, 0)) for name, point in points.items()}
        empty = np.zeros((0, *core), x.dtype)
        # On a copy of an oracle, whose counts are of points.
        copied = subject if isinstance(subject, Formula) else subject.with_constants()
        self.value, self.gradient = value_and_gradient(copied, empty, {**self.numbers, **none})
        self._batch(x.shape, *(constants[name].shape for name in self.names))

    def __call__(self, x: Array, *arrays: Array) -> tuple[Array, Array]:
        """Return value and gradient, each with the batch of all arguments."""
        constants = dict(zip(self.names, arrays, strict=True))
        value, gradient = value_and_gradient(self.subject, x, {**self.numbers, **constants})
        batch = self._batch(x.shape, *(each.shape for each in arrays))
        return _over(batch, value, self.value), _over(batch, gradient, self.gradient)

    def _batch(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the batch of the results for arguments of these shapes."""
        cores = self.cores.values()
        batches = [each[: len(each) - core] for each, core in zip(shapes, cores, strict=True)]
        try:
            return np.broadcast_shapes(*batches)
        except ValueError:
            pairs = zip(batches, self.cores, strict=True)
            listed = ", ".join(f"{each} of {name}" for each, name in pairs)
            raise ValueError(f"{self.subject!r}: the batches do not broadcast: {listed}") from None


def value_and_gradient(
    subject: Subject, x: Array, constants: Mapping[str, Any]
) -> tuple[Array, Array]:
    """Return the value and the gradient at x."""
    if isinstance(subject, Formula):
        return subject.value_and_gradient_at({subject.wrt: x, **constants})
    return (subject.with_constants(**constants) if constants else subject).value_and_gradient(x)


def moving_constants(subject: Subject, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constants that are given, and an oracle's own that have a batch."""
    if isinstance(subject, Formula):
        return dict(given)
    axes = constant_axes(subject)
    own = {name: each for name, each in subject.constants.items() if np.ndim(each) > axes[name]}
    return {**own, **given}


def constant_axes(subject: Subject) -> dict[str, int]:
    """Return how many axes one point of each constant has."""
    if isinstance(subject, Formula):
        return {name: len(shape) for name, shape in subject.shapes.items() if name != subject.wrt}
    if not isinstance(subject, Oracle):
        raise TypeError(f"value_and_gradient needs an Oracle or a Formula; got {subject!r}")
    variables = subject.expression.variables
    return {name: CORE_AXES[variables[name].declared] for name in subject.constants}


def _core(subject: Subject, shape: tuple[int, ...], points: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the axes of one x."""
    if isinstance(subject, Formula):
        return shape[max(len(shape) - len(subject.shapes[subject.wrt]), 0) :]
    return subject.with_constants(**points).axes(shape)[1]


def _point(array: Any, axes: int) -> Array:
    """Return zeros like one point of an array."""
    return np.zeros(array.shape[max(array.ndim - axes, 0) :], array.dtype)


def _stack(point: Array, axes: int) -> Array:
    """Return a batch of no points; a shape that cannot be one stays, to be refused by its name."""
    return point if point.ndim < axes else np.zeros((0, *point.shape), point.dtype)


def _over(batch: tuple[int, ...], result: Array, empty: Array) -> Array:
    """Return a result with all axes of the batch, which a constant gradient may not have."""
    shape = (*batch, *empty.shape[1:])
    return result if np.shape(result) == shape else np.broadcast_to(result, shape)
