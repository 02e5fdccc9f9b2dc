"""Helpers for the tests of those who write gradients."""

from typing import Any

import numpy.typing as npt

from matgrad.check import GradientCheck, check_gradient
from matgrad.differences.evaluation import Function

__all__ = ["assert_gradient"]


def assert_gradient(
    f: Function,
    gradient: Function | npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    ndim: int,
    rng: Any = 0,
    **options: Any,
) -> GradientCheck:
    """Fail a test unless a gradient is right at every point.

    Parameters
    ----------
    f, gradient, x, ndim, **options
        As in `matgrad.check_gradient`.
    rng : numpy.random.Generator or int, optional
        Draws the directions; fixed by default, so that a test says the same every time.

    Returns
    -------
    GradientCheck
        The check that passed.

    Raises
    ------
    AssertionError
        With the report of the check.

    Examples
    --------
    >>> import numpy as np
    >>> from matgrad.testing import assert_gradient
    >>> check = assert_gradient(lambda x: (x * x).sum(axis=-1), lambda x: 2 * x, np.ones(3), ndim=1)
    >>> print(check.verdict)
    right
    """
    check = check_gradient(f, gradient, x, ndim=ndim, rng=rng, **options)
    check.raise_if_failed()
    return check
