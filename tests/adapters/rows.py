"""A small data set for sums over rows, and its chunks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matgrad import Oracle, catalog

Array = NDArray[Any]

_rng = np.random.default_rng(0)
X, w = _rng.normal(size=(50, 4)), _rng.normal(size=4)
y = np.sign(_rng.normal(size=50))

LOGISTIC = catalog["logistic-loss-of-samples"]


def penalised(**constants: Any) -> Oracle:
    """Return a logistic loss with a penalty, of the first row where no others are given."""
    text = "sum(softplus(-y .* (X*w))) + alpha*w'*w"
    return Oracle(text, "w", **{"X": X[:1], "y": y[:1], "alpha": 0.5, **constants})


def cut(array: Array, *sizes: int) -> Any:
    """Return an array in chunks of these sizes along the first axes."""
    import dask.array as da

    return da.from_array(array, chunks=(*sizes, *array.shape[len(sizes) :]))
