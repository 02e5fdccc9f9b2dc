"""Value and gradient of formulas on 100 000 matrices of size 4, beside NumPy written by hand.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 pytest benchmarks/bench_formulas.py
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import catalog

Array = NDArray[Any]
Pair = tuple[Array, Array]

BATCH = (100_000,)


class Peer(NamedTuple):
    """A formula of the catalog, and what computes the same by NumPy's functions."""

    id: str
    function: Callable[..., Pair]


def inner(A: Array, B: Array) -> Array:
    """Return tr(A'B)."""
    return np.asarray(np.einsum("...ij,...ij->...", A, B))


def quadratic_trace(X: Array, A: Array, Q: Array) -> Pair:
    XA, QX = X @ A, Q @ X
    return inner(XA, Q.mT @ X), QX @ A + Q.mT @ (X @ A.mT)


def determinant(X: Array) -> Pair:
    det = np.linalg.det(X)
    return det, det[:, None, None] * np.linalg.inv(X).mT


def log_determinant(X: Array) -> Pair:
    return np.linalg.slogdet(X).logabsdet, np.linalg.inv(X).mT


def quadratic_form(A: Array, x: Array) -> Pair:
    Ax = np.einsum("bij,bj->bi", A, x)
    return np.einsum("bi,bi->b", x, Ax), Ax + np.einsum("bji,bj->bi", A, x)


def trace_inverse(A: Array, B: Array, X: Array) -> Pair:
    inverse = np.linalg.inv(X)
    middle = inverse @ B @ A
    return np.trace(middle, axis1=-2, axis2=-1), -(middle @ inverse).mT


PEERS = (
    Peer("trace-product", lambda A, X: (inner(A.mT, X), A.mT)),
    Peer("trace-three-factors", lambda A, B, X: (inner((A @ X).mT, B), A.mT @ B.mT)),
    Peer("trace-gram", lambda X: (inner(X, X), 2 * X)),
    Peer("quadratic-trace", quadratic_trace),
    Peer("quadratic-form", quadratic_form),
    Peer("determinant", determinant),
    Peer("log-determinant", log_determinant),
    Peer("trace-inverse", trace_inverse),
)


@pytest.mark.parametrize("implementation", ["matgrad", "numpy"])
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.id)
def test_value_and_gradient(peer: Peer, implementation: str, benchmark: Any) -> None:
    formula = catalog[peer.id]
    arrays: dict[str, Any] = {
        name: np.random.default_rng(0).uniform(-1, 1, (*BATCH, *[4] * len(shape)))
        for name, shape in formula.shapes.items()
    }
    ours, theirs = formula.value_and_gradient(**arrays), peer.function(**arrays)
    for mine, other in zip(ours, theirs, strict=True):
        scale = np.abs(other).max()
        assert np.median(np.abs(mine - other)) <= 1e-12 * scale
    benchmark.group = formula.id
    call = formula.value_and_gradient if implementation == "matgrad" else peer.function
    benchmark.pedantic(call, kwargs=arrays, rounds=15, warmup_rounds=1)
