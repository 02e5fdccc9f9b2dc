"""Parametrizations: each is differentiable, and says how."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad.expression import parse
from matgrad.parametrizations import PARAMETRIZATIONS, Symmetrized, chart_of

Array = NDArray[Any]

CHARTS = {**PARAMETRIZATIONS, "symmetrized": Symmetrized()}
n, core = 4, (4, 4)


def draw(name: str, *batch: int) -> tuple[Array, Array, Array]:
    """Return coordinates, a direction and the gradient of some function."""
    rng = np.random.default_rng(0)
    size = CHARTS[name].size(core)
    t, p = 0.5 * rng.normal(size=(2, *batch, size))
    return t, p, rng.normal(size=(*batch, n, n))


@pytest.mark.parametrize("name", CHARTS)
def test_the_derivative_is_that_of_differences(name: str) -> None:
    t, p, _ = draw(name)
    chart, h = CHARTS[name], 1e-6
    difference = (chart.matrix(t + h * p, core) - chart.matrix(t - h * p, core)) / (2 * h)
    np.testing.assert_allclose(chart.derivative(t, p, core), difference, atol=1e-8)


@pytest.mark.parametrize("name", CHARTS)
def test_the_gradient_is_the_adjoint_of_the_derivative(name: str) -> None:
    t, p, G = draw(name, 3)
    chart = CHARTS[name]
    wanted = (G * chart.derivative(t, p, core)).sum((-1, -2))
    np.testing.assert_allclose((chart.gradient(t, G) * p).sum(-1), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", CHARTS)
def test_the_hessian_product_is_the_change_of_the_gradient(name: str) -> None:
    t, p, G = draw(name)
    chart, h = CHARTS[name], 1e-6
    dG = np.random.default_rng(1).normal(size=(n, n))
    ahead, behind = (chart.gradient(t + s * p, G + s * dG) for s in (h, -h))
    np.testing.assert_allclose(chart.product(t, p, G, dG), (ahead - behind) / (2 * h), atol=1e-7)


@pytest.mark.parametrize("name", [name for name in CHARTS if name not in ("full", "symmetrized")])
def test_matrices_are_symmetric_and_those_of_cholesky_definite(name: str) -> None:
    X = CHARTS[name].matrix(draw(name)[0], core)
    np.testing.assert_array_equal(X, X.T)
    if "cholesky" in name:
        assert np.linalg.eigvalsh(X)[0] > 0


def test_a_matrix_that_is_not_square_has_no_vech() -> None:
    with pytest.raises(ValueError, match="needs a square matrix; got 2 x 3"):
        chart_of("vech", parse("X").variables["X"]).size((2, 3))
