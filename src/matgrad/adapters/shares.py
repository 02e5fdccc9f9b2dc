"""What a chunk of rows adds to the value and the gradient of a sum over rows."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.adapters.pieces import Subject, value_and_gradient
from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]

SCALES = (1e-2, 1.0, 1e3)
"""Of the rows that are tried, about what data in one unit or another may have."""


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
        If the subject, at some random rows, is no sum over rows, or a shape does not fit.
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
        """Refuse a subject whose share of five rows is not that of two and that of three.

        A heuristic: what is a sum only of small numbers, or only of positive ones, shows in rows
        of all sizes and of either sign; what is none only at other rows is not found. It costs 27
        evaluations of a few rows.
        """
        rng = np.random.default_rng(0)
        for scale in SCALES:
            rows = [scale * rng.normal(size=(5, *each.shape[1:])) for each in data.values()]
            tried = (rows, [*map(np.negative, rows)], [*map(np.abs, rows)])
            if not all(map(self._is_additive, tried)):
                raise ValueError(
                    f"total_value_and_gradient needs a sum over the rows of {', '.join(data)}; "
                    f"got {_text(self.subject)}"
                )

    def _is_additive(self, rows: Sequence[Array]) -> bool:
        """Return whether two rows and the others add up; rows outside the domain tell nothing."""
        parts = (slice(None), slice(2), slice(2, None))
        try:
            both, *single = (self(*(each[part] for each in rows))[0] for part in parts)
        except np.linalg.LinAlgError:
            return True
        if not np.isfinite([both, *single]).all():
            return True
        error = np.abs(both - sum(single)).max(initial=0)
        size = np.abs([self.subtracted, *single]).max(initial=0)
        return bool(error <= np.sqrt(np.finfo(self.none.dtype).eps) * size)


def _flat(value: Any, gradient: Array) -> Array:
    return np.concatenate([np.ravel(value), np.ravel(gradient)])


def _text(subject: Subject) -> str:
    return str(subject.expression if isinstance(subject, Oracle) else subject.value)
