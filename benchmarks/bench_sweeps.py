"""The native sweep of det beside central differences written with NumPy, on one core and on all.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 pytest benchmarks/bench_sweeps.py
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import matgrad
from matgrad.differences import central_differences

Array = NDArray[np.float64]

# Points for which NumPy's stack of perturbed matrices stays in cache.
BLOCK = 8


def by_numpy(X: Array) -> Array:
    """Difference the determinants of stacks of perturbed matrices."""
    n, h = X.shape[-1], 1e-5
    moves = h * np.eye(n * n).reshape(n * n, n, n)
    gradient = np.empty_like(X)
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK, None]
        values = np.linalg.det(block + moves) - np.linalg.det(block - moves)
        gradient[start : start + BLOCK] = (values / (2 * h)).reshape(-1, n, n)
    return gradient


def by_sweep(X: Array) -> Array:
    return central_differences(matgrad.det, X)


@pytest.mark.parametrize(("name", "gradient"), [("matgrad", by_sweep), ("numpy", by_numpy)])
@pytest.mark.parametrize("n", [4, 8, 16, 32])
def test_det(n: int, name: str, gradient: Callable[[Array], Array], benchmark: Any) -> None:
    X = np.random.default_rng(0).normal(size=(1000, n, n))
    exact = matgrad.det_and_gradient(X)[1]
    scale = np.abs(exact).max(axis=(1, 2), keepdims=True)
    error = float((np.abs(gradient(X) - exact) / scale).max())
    assert error < (1e-13 if name == "matgrad" else 1e-6)
    benchmark.group = f"gradient of det by differences, 1000 matrices of size {n}"
    benchmark.extra_info.update(error=error)
    benchmark.pedantic(gradient, args=(X,), rounds=5)
