"""Ten thousand maximum-likelihood fits at once: the bootstrap of a covariance.

    python docs/examples/many_likelihoods.py [PLOT.svg]

One oracle holds the sample covariances of all bootstrap samples and answers for all in one call.
In the inverse covariance P the negative log-likelihood tr(P C) - log det P is self-concordant:
Newton steps, damped by what they promise, stay among the positive definite matrices and need no
line search.
"""

import sys
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from matgrad import Oracle, inv

Array = NDArray[Any]

SAMPLES = 10_000


def main(plot: str | None = None) -> None:
    """Fit all, compare with the sample covariances, and say how long it took."""
    C = covariances()
    oracle = Oracle("tr(P*C) - logdet(P)", "P", parametrization="scaled-vech", C=C)
    start = oracle.pack(P=np.eye(4) / np.diagonal(C, axis1=1, axis2=2)[:, None, :])
    began = perf_counter()
    x, steps = newton(oracle, start)
    seconds = perf_counter() - began
    S = inv(oracle.unpack(x)["P"])
    distance = (np.abs(S - C).max(axis=(1, 2)) / np.abs(C).max(axis=(1, 2))).max()
    print(f"{SAMPLES} fits in {steps} steps and {seconds:.2f} s, {SAMPLES / seconds:.0f} a second")
    print(f"farthest from the sample covariance, the closed form: {distance:.0e}")
    assert distance < 1e-8
    if plot:
        draw(S, plot)


def covariances() -> Array:
    """Return the covariances of bootstrap samples of the irises' lengths and widths."""
    flowers = load_iris().data
    rng = np.random.default_rng(0)
    drawn = flowers[rng.integers(len(flowers), size=(SAMPLES, len(flowers)))]
    centred = drawn - drawn.mean(axis=1, keepdims=True)
    products: Array = centred.mT @ centred
    return products / len(flowers)


def newton(oracle: Oracle, x: Array, tolerance: float = 1e-9) -> tuple[Array, int]:
    """Return the minima and the number of steps; Nesterov, Lectures on Convex Optimization, 5.2."""
    for step in range(100):
        gradient = oracle.gradient(x)
        direction = np.linalg.solve(oracle.hess(x), gradient[..., None])[..., 0]
        decrement = np.sqrt(np.vecdot(gradient, direction))
        if decrement.max() < tolerance:
            return x, step
        x = x - direction / np.where(decrement < 0.25, 1, 1 + decrement)[:, None]
    raise RuntimeError(f"no minimum after {step + 1} steps")


def draw(S: Array, path: str) -> None:
    """Draw how correlations vary over the samples."""
    from matplotlib import pyplot as plt

    names = ["sepal length", "sepal width", "petal length", "petal width"]
    scale = np.sqrt(np.diagonal(S, axis1=1, axis2=2))
    correlations = S / (scale[:, :, None] * scale[:, None, :])
    figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
    for i, j in ((0, 1), (0, 2), (1, 3), (2, 3)):
        values = correlations[:, i, j]
        low, high = np.quantile(values, [0.025, 0.975])
        label = f"{names[i]}, {names[j]}: {low:.2f} to {high:.2f}"
        axis.hist(values, bins=80, density=True, alpha=0.7, label=label)
    axis.set(xlabel="correlation", ylabel="density over bootstrap samples", xlim=(-0.6, 1))
    axis.set_yscale("log")
    axis.legend(title="95 % of the samples", loc="upper center", fontsize=8)
    figure.savefig(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
