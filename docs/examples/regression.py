"""Least squares and logistic regression, beside statsmodels and scikit-learn.

    python docs/examples/regression.py [PLOT.svg]

The value, the gradient and the Hessian are those of the catalog's formulas; SciPy's trust-region
method takes them as they are.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from statsmodels.api import OLS

from matgrad import Oracle, catalog
from matgrad.adapters.scipy import minimize

Array = NDArray[Any]


class Fit(NamedTuple):
    """An oracle's optimum, and the same by another library."""

    oracle: Oracle
    ours: Array
    theirs: Array


def main(plot: str | None = None) -> None:
    """Fit both, compare, and say how far apart they are."""
    fits = {"least squares": least_squares(), "logistic": logistic()}
    for name, fit in fits.items():
        distance = np.abs(fit.ours - fit.theirs).max() / np.abs(fit.theirs).max()
        print(f"{name}: {len(fit.ours)} coefficients, relative distance {distance:.0e}")
        assert distance < 1e-8
    if plot:
        draw(fits, plot)


def with_intercept(X: Array) -> Array:
    """Return standardised columns behind a column of ones."""
    standardised = (X - X.mean(axis=0)) / X.std(axis=0)
    return np.hstack([np.ones((len(X), 1)), standardised])


def least_squares() -> Fit:
    """Explain the progress of diabetes after a year by ten measurements."""
    data = load_diabetes()
    X, y = with_intercept(data.data), data.target
    oracle = Oracle(catalog["least-squares"], X=X, y=y)
    found = minimize(oracle, np.zeros(X.shape[1]), method="trust-exact", tol=1e-6)
    return Fit(oracle, found.x, OLS(y, X).fit().params)


def logistic() -> Fit:
    """Tell benign from malignant tumours; the intercept is not penalised."""
    data = load_breast_cancer()
    X, y = with_intercept(data.data), 2.0 * data.target - 1
    penalty = np.diag([0.0, *np.ones(X.shape[1] - 1)])
    loss = f"{catalog['logistic-loss-of-samples'].value} + w'*P*w/2"
    oracle = Oracle(loss, "w", structure={"P": "symmetric"}, X=X, y=y, P=penalty)
    found = minimize(oracle, np.zeros(X.shape[1]), method="trust-exact", tol=1e-9)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12)
    model.fit(X[:, 1:], y)
    return Fit(oracle, found.x, np.concatenate([model.intercept_, model.coef_[0]]))


def draw(fits: dict[str, Fit], path: str) -> None:
    """Draw what is predicted, and how fast two methods of SciPy come to it."""
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    data = load_diabetes()
    predicted = with_intercept(data.data) @ fits["least squares"].ours
    left.plot(predicted, data.target, ".", alpha=0.5)
    left.axline((150, 150), slope=1, color="0.5", linewidth=1)
    left.set(xlabel="predicted progress of diabetes", ylabel="observed", title="least squares")
    for method in ("trust-exact", "BFGS", "L-BFGS-B"):
        right.semilogy(slopes(fits["logistic"], method), ".-", label=method)
    right.set(xlabel="iteration", ylabel="largest entry of the gradient", title="logistic")
    right.legend()
    figure.savefig(path)


def slopes(fit: Fit, method: str) -> list[float]:
    """Return the size of the gradient at each iterate of a method of SciPy."""
    sizes: list[float] = []
    minimize(
        fit.oracle,
        np.zeros(len(fit.ours)),
        method=method,
        callback=lambda x: sizes.append(float(np.abs(fit.oracle.gradient(x)).max())),
    )
    return sizes


if __name__ == "__main__":
    main(*sys.argv[1:])
