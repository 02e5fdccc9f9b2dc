"""Pymanopt with oracles, on three manifolds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from matgrad import Oracle
from matgrad.adapters.pymanopt import problem

pymanopt = pytest.importorskip("pymanopt")

A = np.diag([5.0, 3.0, 2.0, 1.0]) + 0.1

CASES: dict[str, Callable[[], tuple[Any, Oracle, float]]] = {
    "Sphere": lambda: (
        pymanopt.manifolds.Sphere(4),
        Oracle("x'*A*x", "x", structure={"A": "symmetric"}, A=A),
        np.linalg.eigvalsh(A)[0],
    ),
    "Stiefel": lambda: (
        pymanopt.manifolds.Stiefel(4, 2),
        Oracle("-tr(W'*A*W)", "W", structure={"A": "symmetric"}, A=A),
        -np.linalg.eigvalsh(A)[2:].sum(),
    ),
    "SymmetricPositiveDefinite": lambda: (
        pymanopt.manifolds.SymmetricPositiveDefinite(4),
        Oracle("logdet(S) + tr(inv(S)*A)", "S", structure="positive_definite", A=A),
        np.linalg.slogdet(A)[1] + 4,
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("optimizer", ["TrustRegions", "ConjugateGradient"])
def test_the_minimum_on_a_manifold_is_found(name: str, optimizer: str) -> None:
    manifold, oracle, minimum = CASES[name]()
    np.random.seed(0)  # noqa: NPY002 - Pymanopt draws its start from it
    run = getattr(pymanopt.optimizers, optimizer)(verbosity=0, min_gradient_norm=1e-6)
    found = run.run(problem(oracle, manifold))
    assert found.cost == pytest.approx(minimum, rel=1e-10)
    assert oracle.counts.factorisations <= oracle.counts.values


@pytest.mark.parametrize("name", CASES)
def test_gradient_and_hessian_are_those_of_differences_along_the_manifold(name: str) -> None:
    manifold, oracle, _ = CASES[name]()
    np.random.seed(1)  # noqa: NPY002
    point = manifold.random_point()
    tangent = manifold.random_tangent_vector(point)
    on_manifold = problem(oracle, manifold)
    slope = manifold.inner_product(point, on_manifold.riemannian_gradient(point), tangent)
    curvature = manifold.inner_product(
        point, on_manifold.riemannian_hessian(point, tangent), tangent
    )
    h = 1e-4
    ahead, here, behind = (on_manifold.cost(manifold.exp(point, t * tangent)) for t in (h, 0.0, -h))
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-6)
    assert curvature == pytest.approx((ahead - 2 * here + behind) / h**2, rel=1e-5, abs=1e-5)
