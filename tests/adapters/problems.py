"""Problems that every optimizer's adapter is tried on, with JAX's gradient beside the oracle's."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matgrad import Oracle

Array = NDArray[Any]


class Problem(NamedTuple):
    """An oracle, where an optimizer starts, and the same function by hand.

    Parameters
    ----------
    oracle : Oracle
        The oracle.
    start : ndarray
        Where it starts.
    by_hand : callable
        The value and the gradient in NumPy, derived by hand.
    """

    oracle: Oracle
    start: Array
    by_hand: Callable[[Array], tuple[float, Array]]


def logistic() -> Problem:
    """Return a penalised logistic regression."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 4)), np.sign(rng.normal(size=40))
    oracle = Oracle("sum(softplus(-y .* (X*w))) + w'*w/2", "w", X=X, y=y)

    def by_hand(w: Array) -> tuple[float, Array]:
        margins = y * (X @ w)
        gradient = w - X.T @ (y / (1 + np.exp(margins)))
        return float(np.logaddexp(0, -margins).sum() + w @ w / 2), gradient

    return Problem(oracle, np.zeros(4), by_hand)


def likelihood() -> Problem:
    """Return a Gaussian likelihood in the covariance, by the logarithm of its Cholesky factor."""
    A = np.random.default_rng(2).normal(size=(3, 12))
    C = A @ A.T / 12
    oracle = Oracle("logdet(S) + tr(inv(S)*C)", "S", parametrization="log-cholesky", C=C)
    places, diagonal = np.tril_indices(3), np.array([0, 3, 5])

    def by_hand(t: Array) -> tuple[float, Array]:
        entries = t.copy()
        entries[diagonal] = np.exp(t[diagonal])
        L = np.zeros((3, 3))
        L.T[np.triu_indices(3)] = entries
        inverse = np.linalg.inv(L @ L.T)
        by_factor = 2 * (inverse - inverse @ C @ inverse) @ L
        gradient = by_factor.T[np.triu_indices(3)]
        gradient[diagonal] *= entries[diagonal]
        return float(2 * t[diagonal].sum() + np.trace(inverse @ C)), gradient

    assert len(places[0]) == 6
    return Problem(oracle, oracle.pack(S=np.eye(3)), by_hand)


PROBLEMS = {"logistic": logistic, "likelihood": likelihood}
