"""What kernels and oracles as functions of PyTorch and of JAX are both tried on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matgrad import Oracle

Array = NDArray[Any]


def arguments(seed: int = 0) -> dict[str, tuple[Array, ...]]:
    """Return arguments of each kernel; some with batches that broadcast."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(3, 4, 4))
    return {
        "trace": (X,),
        "trace_product": (rng.normal(size=(3, 2, 4)), rng.normal(size=(4, 2))),
        "quadratic_trace": (
            rng.normal(size=(2, 1, 3, 4)),
            rng.normal(size=(3, 4, 4)),
            rng.normal(size=(3, 3)),
        ),
        "det": (X,),
        "slogdet": (X,),
        "inv": (X,),
        "adjugate": (X,),
    }


def singular() -> Array:
    """Return matrices of the ranks 3, 2, 1 and 0, whose determinants are zero."""
    rows = np.arange(1.0, 5.0)
    matrices = [np.outer(rows, np.ones(4)) for _ in range(3)]
    matrices[0][2, 3], matrices[0][1, 1], matrices[1][2, 3] = 7.0, 5.0, 7.0
    return np.stack([*matrices, np.zeros((4, 4))])


def oracles() -> dict[str, tuple[Oracle, Array]]:
    """Return oracles of scalars, each with an x; constants with a batch, x flat and shaped."""
    rng = np.random.default_rng(1)
    A = rng.normal(size=(5, 2, 2))
    growth = "x'*A*x*sum(exp(x))"
    likelihood = "logdet(S) + tr(inv(S)*C)"
    near = 2 * np.eye(3) + rng.normal(size=(3, 3)) / 9
    return {
        "batch of constants": (Oracle(growth, "x", A=A), rng.normal(size=2)),
        "batch of both": (Oracle(growth, "x", A=A), rng.normal(size=(5, 2))),
        "matrix": (Oracle(likelihood, "S", C=np.eye(3)), near),
        "parametrization": (
            Oracle(likelihood, "S", C=np.eye(3), parametrization="log-cholesky"),
            rng.normal(size=(4, 6)),
        ),
    }


def residuals() -> tuple[Oracle, Array]:
    """Return an oracle of residuals, with an x."""
    b = np.random.default_rng(2).normal(size=3)
    return Oracle("X*b - exp(c)", "X", b=b, c=np.ones(2)), np.ones((4, 2, 3))
