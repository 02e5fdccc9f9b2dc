"""What a chunk of rows adds to the value and the gradient of a sum over rows."""

from collections.abc import Mapping
from contextlib import suppress
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.adapters.pieces import Subject, value_and_gradient
from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]


class Share:
    """Value and gradient of rows, less value and gradient of no rows, in one flat array.

    The total is that of no rows and all shares, so that what has no data in it counts once. What is
    not finite without rows is not subtracted, and so stays what it is in the total.

    Parameters
    ----------
    subject : Oracle or Formula
        A sum over rows, and what does not depend on them.
    x : ndarray
        Where.
    whole : mapping of str to array or number
        The constants that are not data.
    data : mapping of str to array
        The data; only shapes and dtypes are looked at.

    Attributes
    ----------
    none : ndarray
        Value and gradient of no rows, one behind the other.
    batch, shape : tuple of int
        The shapes of value and gradient.

    Raises
    ------
    ValueError
        If the subject is no sum over rows, or a shape does not fit.
    """

    def __init__(
        self, subject: Subject, x: Array, whole: Mapping[str, Any], data: Mapping[str, Any]
    ) -> None:
        self.subject, self.x, self.whole, self.names = subject, x, whole, tuple(data)
        none = {name: np.zeros((0, *each.shape[1:]), each.dtype) for name, each in data.items()}
        value, gradient = value_and_gradient(subject, x, {**whole, **none})
        self.batch, self.shape = np.shape(value), np.shape(gradient)
        self.none = _flat(value, gradient)
        self.subtracted = np.where(np.isfinite(self.none), self.none, 0)
        self._refuse_what_is_no_sum(data)

    def __call__(self, *rows: Array) -> Array:
        """Return the share of some rows, as a row."""
        return (self._of(*rows) - self.subtracted)[None]

    def _of(self, *rows: Array) -> Array:
        constants = {**self.whole, **dict(zip(self.names, rows, strict=True))}
        return _flat(*value_and_gradient(self.subject, self.x, constants))

    def _refuse_what_is_no_sum(self, data: Mapping[str, Any]) -> None:
        """Refuse a subject that is not, for two rows, the sum of itself for either."""
        pair = [_two_rows(each.shape[1:]) for each in data.values()]
        parts = (slice(0, 2), slice(0, 1), slice(1, 2))
        with suppress(np.linalg.LinAlgError):  # these rows may be outside the domain
            both, *single = (self._of(*(rows[part] for rows in pair)) for part in parts)
            if np.isfinite([both, *single]).all() and not _are_equal(both, sum(single) - self.none):
                raise ValueError(
                    f"total_value_and_gradient needs a sum over the rows of {', '.join(data)}; "
                    f"got {_text(self.subject)}"
                )


def _flat(value: Any, gradient: Array) -> Array:
    return np.concatenate([np.ravel(value), np.ravel(gradient)])


def _two_rows(shape: tuple[int, ...]) -> Array:
    """Return two rows of different numbers between 1/2 and 3/2."""
    return np.linspace(0.5, 1.5, 2 * prod(shape)).reshape(2, *shape)


def _are_equal(some: Array, others: Array) -> bool:
    """Return whether arrays differ by rounding only."""
    tolerance = np.sqrt(np.finfo(some.dtype).eps) * np.abs(others).max(initial=0)
    return bool((np.abs(some - others) <= tolerance).all())


def _text(subject: Subject) -> str:
    return str(subject.expression if isinstance(subject, Oracle) else subject.value)
