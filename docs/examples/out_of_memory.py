"""Logistic regression on a file larger than the memory that it may take.

    python docs/examples/out_of_memory.py

The gradient of a sum is the sum of gradients, so the rows of a data set can be read and forgotten
chunk by chunk. Here that is done twice, by a loop over a memory-mapped file and by Dask, and both
fits are compared with the one that holds all data at once.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from matgrad import Oracle, catalog
from matgrad.adapters.dask import rows_of_file, total_value_and_gradient

Array = NDArray[Any]
Function = Callable[[Array], tuple[float, Array]]

ROWS, COLUMNS = 60_000, 40
MAX_BYTES = 4_000_000  # the file has 19.2 million
PENALTY = 0.1

# The rows of a chunk, which a thread holds as it is read and as the oracle copies it, with a few
# columns of results, while Dask may read the next.
THREADS = 2
CHUNK = MAX_BYTES // (4 * THREADS * COLUMNS * np.dtype(float).itemsize)

LOSS = catalog["logistic-loss-of-samples"]
PENALISED = f"{LOSS.value} + alpha*w'*w"


def write_data(folder: Path) -> None:
    """Write X and y to files, chunk by chunk, with labels that some weights explain in part."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=COLUMNS)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", float, (ROWS, COLUMNS))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", float, (ROWS,))
    for rows in chunks():
        X[rows] = rng.normal(size=X[rows].shape)
        y[rows] = np.sign(X[rows] @ weights + 3 * rng.normal(size=len(y[rows])))


def chunks() -> Iterator[slice]:
    """Yield all rows, as many at a time as fit into memory."""
    for start in range(0, ROWS, CHUNK):
        yield slice(start, min(start + CHUNK, ROWS))


def mapped(folder: Path) -> tuple[Array, Array]:
    """Return X and y as arrays that are read where they are used."""
    X, y = (np.load(folder / name, mmap_mode="r") for name in ("X.npy", "y.npy"))
    return X, y


def by_loop(folder: Path) -> Function:
    """Return the penalised loss as a loop over chunks."""
    X, y = mapped(folder)
    loss = Oracle(LOSS, X=X[:1], y=y[:1])  # derived once, then given one chunk after the other
    penalty = Oracle("alpha*w'*w", "w", alpha=PENALTY)  # by itself, for it counts once

    def value_and_gradient(w: Array) -> tuple[float, Array]:
        value, gradient = penalty.value_and_gradient(w)
        for rows in chunks():
            share = loss.with_constants(X=X[rows], y=y[rows]).value_and_gradient(w)
            value, gradient = value + share[0], gradient + share[1]
        return value, gradient

    return value_and_gradient


def by_dask(folder: Path) -> Function:
    """Return the penalised loss as a sum that Dask computes, in threads or as well on a cluster."""
    X, y = (rows_of_file(folder / name, CHUNK) for name in ("X.npy", "y.npy"))
    oracle = Oracle(PENALISED, "w", X=X[:1], y=y[:1], alpha=PENALTY)

    def value_and_gradient(w: Array) -> tuple[float, Array]:
        total = total_value_and_gradient(oracle, w, X=X, y=y)
        value, gradient = dask.compute(*total, num_workers=THREADS)
        return float(value), gradient

    return value_and_gradient


def in_memory(folder: Path) -> Function:
    """Return the penalised loss of all rows at once."""
    X, y = mapped(folder)
    return Oracle(PENALISED, "w", X=X, y=y, alpha=PENALTY).value_and_gradient


def main() -> None:
    """Fit in three ways, compare, and say how far apart they are."""
    fit = partial(minimize, x0=np.zeros(COLUMNS), jac=True, method="L-BFGS-B")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        size = (folder / "X.npy").stat().st_size
        print(f"{size} bytes of data, {len(list(chunks()))} chunks for {MAX_BYTES} bytes of memory")
        whole = in_memory(folder)
        wanted = fit(whole)
        for way in (by_loop, by_dask):
            function = way(folder)
            compare(function, whole, np.ones(COLUMNS))
            found = fit(function)
            compare(function, whole, found.x)
            np.testing.assert_allclose(found.x, wanted.x, rtol=1e-10)
            print(f"{way.__name__}: loss {found.fun:.6f} after {found.nit} steps, as in memory")


def compare(function: Function, other: Function, w: Array) -> None:
    """Raise an error unless values and gradients agree to 1e-10, in units of the largest."""
    (value, gradient), (other_value, other_gradient) = function(w), other(w)
    np.testing.assert_allclose(value, other_value, rtol=1e-10)
    np.testing.assert_allclose(gradient, other_gradient, atol=1e-10 * other_value)


if __name__ == "__main__":
    main()
