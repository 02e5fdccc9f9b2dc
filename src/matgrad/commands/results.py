"""What a check finds: errors, each beside what rounding may cause."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Error:
    """An error and the largest that rounding may cause, both in units of the roundoff u."""

    size: float
    allowed: float

    @property
    def part(self) -> float:
        """The part of what is allowed that the error takes."""
        return self.size / self.allowed

    @property
    def ok(self) -> bool:
        """Whether the error is allowed; NaN never is."""
        return self.part <= 1


@dataclass(frozen=True)
class Row:
    """The result of a check of one function at one size and dtype.

    Attributes
    ----------
    function, n, dtype
        What was checked.
    numpy
        The error of the results beside NumPy's.
    differences
        The error of the gradient beside differences of the value; None without a gradient.
    seconds, numpy_seconds
        The time for one matrix, here and in NumPy.
    """

    function: str
    n: int
    dtype: str
    numpy: Error
    differences: Error | None
    seconds: float
    numpy_seconds: float

    @property
    def ok(self) -> bool:
        """Whether all errors are allowed."""
        return not any(self.failures())

    @property
    def part(self) -> float:
        """The largest part of what is allowed that an error takes."""
        return float(np.max([error.part for error in self._errors().values()]))

    def failures(self) -> Iterator[str]:
        """Yield a sentence for each error that is larger than allowed."""
        for judge, error in self._errors().items():
            if not error.ok:
                yield (
                    f"{self.function}, n = {self.n}, {self.dtype}: off from {judge} "
                    f"by {error.size:.3g} u; rounding explains {error.allowed:.3g} u"
                )

    def _errors(self) -> dict[str, Error]:
        errors = {"NumPy": self.numpy}
        if self.differences is not None:
            errors["central differences"] = self.differences
        return errors
