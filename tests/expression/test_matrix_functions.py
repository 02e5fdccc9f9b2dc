"""Functions of matrices, each against SciPy and against a Jordan block."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from matgrad.expression import parse
from matgrad.expression.matrix_functions import cosm, expm, sinm

Array = NDArray[Any]
RNG = np.random.default_rng(3)
FUNCTIONS: list[tuple[Callable[[Array], Array], Callable[[Array], Array]]] = [
    (expm, scipy.linalg.expm),
    (sinm, scipy.linalg.sinm),
    (cosm, scipy.linalg.cosm),
]


@pytest.mark.parametrize(("function", "judge"), FUNCTIONS)
@pytest.mark.parametrize("scale", [1e-9, 1, 30])
@pytest.mark.parametrize("imaginary", [0, 1j])
def test_a_function_of_a_matrix_is_that_of_scipy(
    function: Callable[[Array], Array],
    judge: Callable[[Array], Array],
    scale: float,
    imaginary: complex,
) -> None:
    X = scale * RNG.normal(size=(5, 3, 3)) / 4
    if imaginary:
        X = X + imaginary * RNG.normal(size=X.shape) / 4
    for value, expected in zip(function(X), map(judge, X), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("function", "derivative"),
    [(expm, np.exp(0.5)), (sinm, np.cos(0.5)), (cosm, -np.sin(0.5))],
)
def test_a_function_of_a_jordan_block_has_its_derivative_above_the_diagonal(
    function: Callable[[Array], Array], derivative: float
) -> None:
    block = np.array([[0.5, 1.0], [0.0, 0.5]])
    assert function(block)[0, 1] == pytest.approx(derivative, rel=1e-14)


def test_a_matrix_that_is_not_finite_spoils_no_other() -> None:
    X = np.stack([np.eye(2), np.full((2, 2), np.nan), np.full((2, 2), np.inf)])
    value = expm(X)
    np.testing.assert_allclose(value[0], np.exp(1.0) * np.eye(2), rtol=1e-15)
    assert np.isnan(value[1:]).all()


@pytest.mark.parametrize("shape", [(0, 2, 2), (3, 0, 0)])
def test_nothing_has_an_empty_exponential(shape: tuple[int, ...]) -> None:
    assert expm(np.zeros(shape)).shape == shape


def test_precision_stays() -> None:
    assert expm(np.eye(2, dtype=np.float32)).dtype == np.float32
    assert sinm(np.eye(2, dtype=np.complex64)).dtype == np.complex64


def test_the_language_knows_them() -> None:
    X = RNG.normal(size=(4, 3, 3))
    value = parse("tr(sinm(X)^2 + cosm(X)^2)").evaluate(X=X)
    np.testing.assert_allclose(value, 3, rtol=1e-12)
    Z = X + 1j * X.mT
    assert np.array_equal(parse("conj(X)'").evaluate(X=Z), Z.conj().mT)
