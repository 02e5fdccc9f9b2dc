"""An oracle for SciPy: `minimize`, `least_squares`, `root` and linear operators."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.adapters.requirement import required

Array: TypeAlias = NDArray[Any]


def operator(size: int, product: Callable[[Array], Array], dtype: np.dtype[Any]) -> Any:
    """Return a symmetric operator of SciPy from the function that multiplies by it."""
    linalg = required("scipy.sparse.linalg", "optimize", "SciPy")

    def matvec(p: Array) -> Array:
        return product(np.asarray(p, dtype).reshape(size))

    return linalg.LinearOperator((size, size), matvec=matvec, rmatvec=matvec, dtype=dtype)
