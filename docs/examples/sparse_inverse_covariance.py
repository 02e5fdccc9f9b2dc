"""A sparse inverse covariance, beside scikit-learn's graphical lasso.

    python docs/examples/sparse_inverse_covariance.py [PLOT.svg]

The smooth part of the objective, tr(S P) - log det P, and its gradient come from an oracle; where P
is not positive definite its value is inf, which is all that the line search has to know. The sizes
of the entries off the diagonal are added by soft thresholding (proximal gradient steps).
"""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import graphical_lasso
from sklearn.datasets import load_wine

from matgrad import Oracle

Array = NDArray[Any]

ALPHA = 0.2


def main(plot: str | None = None) -> None:
    """Fit, compare, and say how far apart the objectives are."""
    S = np.corrcoef(load_wine().data, rowvar=False)
    oracle = Oracle("tr(S*P) - logdet(P)", "P", structure="positive_definite", S=S)
    ours = fit(oracle, np.diag(1 / np.diag(S)))
    _, theirs = graphical_lasso(S, alpha=ALPHA, tol=1e-10, enet_tol=1e-10, max_iter=1000)
    mine, other = (float(oracle.value(P)) + size(P) for P in (ours, theirs))
    edges = np.count_nonzero(np.triu(ours, 1))
    print(f"{edges} of {len(S) * (len(S) - 1) // 2} pairs depend on each other directly")
    print(f"objective {mine:.10f}, scikit-learn's less {mine - other:.0e}")
    assert mine < other + 1e-8
    if plot:
        draw(S, ours, plot)


def fit(oracle: Oracle, P: Array, tolerance: float = 1e-9) -> Array:
    """Return the optimum by proximal gradient steps with a line search."""
    step = 1.0
    value, gradient = oracle.value_and_gradient(P)
    for _ in range(10_000):
        moved = shrunk(P - step * gradient, step)
        change = moved - P
        model = value + (gradient * change).sum() + (change**2).sum() / (2 * step)
        if oracle.value(moved) > model + 1e-12 * abs(value):
            step /= 2
            continue
        if np.abs(change).max() < tolerance * step:
            return moved
        before, P = gradient, moved
        value, gradient = oracle.value_and_gradient(P)
        curvature = ((gradient - before) * change).sum()
        step = float((change**2).sum() / curvature) if curvature > 0 else 2 * step
    raise RuntimeError("no optimum after 10 000 steps")


def size(P: Array) -> float:
    """Return what the entries off the diagonal cost."""
    return float(ALPHA * (np.abs(P).sum() - np.abs(np.diag(P)).sum()))


def shrunk(P: Array, step: float) -> Array:
    """Return entries off the diagonal nearer to zero by what they cost."""
    smaller = np.sign(P) * np.maximum(np.abs(P) - step * ALPHA, 0)
    np.fill_diagonal(smaller, np.diag(P))
    return smaller


def draw(S: Array, P: Array, path: str) -> None:
    """Draw the partial correlations of the inverse, and of the sparse one."""
    from matplotlib import pyplot as plt

    names = [name.replace("_", " ") for name in load_wine().feature_names]
    names[names.index("od280/od315 of diluted wines")] = "od280/od315"
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 5.2), layout="constrained", sharey=True)
    for axis, inverse, title in zip(
        axes, (np.linalg.inv(S), P), ("inverse covariance", f"sparse, α = {ALPHA}"), strict=True
    ):
        scale = np.sqrt(np.diag(inverse))
        partial = -inverse / np.outer(scale, scale)
        np.fill_diagonal(partial, np.nan)
        image = axis.imshow(partial, cmap="RdBu", vmin=-0.6, vmax=0.6)
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_title(title)
    figure.colorbar(image, ax=axes, label="partial correlation", shrink=0.6)
    figure.savefig(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
