"""A D-optimal design: which of many patients to measure, and how often.

    python docs/examples/optimal_design.py [PLOT.svg]

Weights w on the candidates make log det X' diag(w) X as large as possible. Its gradient by w are
the variances of the predictions; multiplying the weights by them climbs without a step size, and by
the theorem of Kiefer and Wolfowitz a design is optimal where no variance exceeds the number of
coefficients p.
"""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes

from matgrad import Oracle

Array = NDArray[Any]


def main(plot: str | None = None) -> None:
    """Find the design, check it by the theorem, and say how many candidates are needed."""
    points = candidates()
    X = quadratic(points)
    p = X.shape[1]
    oracle = Oracle("logdet(X'*diag(w)*X)", "w", X=X)
    weights = design(oracle, len(X))
    variances = oracle.gradient(weights)
    uniform = np.full(len(X), 1 / len(X))
    gain = np.exp((oracle.value(weights) - oracle.value(uniform)) / p)
    print(f"{np.count_nonzero(weights > 1e-4)} of {len(X)} candidates carry the design")
    print(f"largest variance {variances.max():.6f} for {p} coefficients")
    print(f"one measurement is worth {gain:.2f} of a uniform design")
    assert variances.max() < p * (1 + 1e-6)
    np.testing.assert_allclose(weights @ variances, p, rtol=1e-10)
    if plot:
        draw(points, weights, variances, plot)


def candidates() -> Array:
    """Return the body mass index and the blood pressure of patients, standardised."""
    data = load_diabetes(scaled=False)
    X = data.data[:, [data.feature_names.index(name) for name in ("bmi", "bp")]]
    points: Array = (X - X.mean(axis=0)) / X.std(axis=0)
    return points


def quadratic(points: Array) -> Array:
    """Return the terms of a quadratic model in two variables."""
    a, b = points.T
    return np.stack([np.ones_like(a), a, b, a * a, a * b, b * b], axis=1)


def design(oracle: Oracle, count: int, tolerance: float = 1e-6) -> Array:
    """Return optimal weights by the multiplicative algorithm, which drops what cannot count."""
    weights = np.full(count, 1 / count)
    for _ in range(100_000):
        variances = oracle.gradient(weights)
        p = float(weights @ variances)
        excess = float(variances.max() / p) - 1
        if excess < tolerance:
            return weights
        weights = weights * (variances / p)
        # A candidate with a variance below this is in no optimal design (Harman and Pronzato 2007).
        bound = 1 + excess / 2 - np.sqrt(excess * (4 + excess - 4 / p)) / 2
        weights[variances < p * bound] = 0
        weights /= weights.sum()
    raise RuntimeError("no optimal design after 100 000 steps")


def draw(points: Array, weights: Array, variances: Array, path: str) -> None:
    """Draw where the weights are, and the variances of the predictions beside the bound."""
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    left.plot(*points.T, ".", color="0.75", label="candidates")
    chosen = weights > 1e-4
    left.scatter(*points[chosen].T, s=900 * weights[chosen], alpha=0.6, label="area: weight")
    left.set(xlabel="body mass index, standardised", ylabel="blood pressure, standardised")
    left.legend()
    right.plot(np.sort(variances)[::-1], ".", markersize=3)
    p = float(weights @ variances)
    right.axhline(p, color="0.5", linewidth=1)
    right.annotate("number of coefficients", (250, p + 0.1))
    right.set(xlabel="candidate, by rank", ylabel="variance of its prediction", ylim=(0, p + 1))
    figure.savefig(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
