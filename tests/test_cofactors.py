"""The second derivative of det, against exact rationals at every rank."""

import doctest
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from matgrad import cofactors
from matgrad.cofactors import hessian_product

Rows = list[list[Fraction]]


def exact_det(X: Rows) -> Fraction:
    if not X:
        return Fraction(1)
    terms = [(-1) ** j * X[0][j] * exact_det(minor(X, 0, j)) for j in range(len(X))]
    return sum(terms, Fraction(0))


def minor(X: Rows, i: int, j: int) -> Rows:
    return [row[:j] + row[j + 1 :] for k, row in enumerate(X) if k != i]


def exact_product(X: Rows, E: Rows) -> list[list[float]]:
    """D adj(X)'[E] row by row: each row of a minor in turn exchanged for that of E's minor."""
    n = len(X)

    def cofactor(i: int, j: int) -> float:
        A, B = minor(X, i, j), minor(E, i, j)
        terms = [exact_det([*A[:k], B[k], *A[k + 1 :]]) for k in range(n - 1)]
        return float((-1) ** (i + j) * sum(terms))

    return [[cofactor(i, j) for j in range(n)] for i in range(n)]


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize("rank", range(6))
def test_it_is_exact_at_every_rank(n: int, rank: int) -> None:
    rng = np.random.default_rng([n, rank])
    X = rng.integers(-3, 4, (n, min(rank, n))) @ rng.integers(-3, 4, (min(rank, n), n))
    E = rng.integers(-3, 4, (n, n))
    rows: Any = [[[Fraction(int(entry)) for entry in row] for row in each] for each in (X, E)]
    expected = np.array(exact_product(*rows))
    scale = float(1 + np.linalg.norm(X, 2) ** max(n - 2, 0) * np.linalg.norm(E))
    np.testing.assert_allclose(hessian_product(X, E), expected, rtol=0, atol=1e-13 * scale)


def test_it_is_the_derivative_of_the_gradient_of_a_regular_matrix() -> None:
    X, E = np.random.default_rng(0).normal(size=(2, 7, 6, 6))
    inverse = np.linalg.inv(X)
    trace = np.trace(inverse @ E, axis1=-2, axis2=-1)[..., None, None]
    usual = np.linalg.det(X)[..., None, None] * (trace * inverse - inverse @ E @ inverse).mT
    np.testing.assert_allclose(hessian_product(X, E), usual, rtol=1e-10, atol=1e-10)


def test_products_that_overflow_on_the_way_do_not() -> None:
    X = np.diag([1e200, 1e200, 1e-200, 1e-200, 1e-200])
    E = np.zeros((5, 5))
    E[3, 3] = 1.0
    product = np.diag(hessian_product(X, E))
    np.testing.assert_allclose(product, [1e-200, 1e-200, 1e200, 0, 1e200], rtol=1e-13)


@pytest.mark.parametrize(("n", "dtype"), [(152, "f4"), (600, "f4"), (1100, "f8")])
@pytest.mark.parametrize("pair", [(1, 1), (0.75, 4 / 3), (1e-3, 1e3)])
def test_products_of_many_do_not_vanish(n: int, dtype: str, pair: tuple[float, float]) -> None:
    s = np.tile(pair, n // 2).astype(dtype)
    E = np.zeros((n, n), dtype)
    E[0, 0] = 1
    wanted = (1 / (s[0] * s)) * (np.arange(n) > 0)
    np.testing.assert_allclose(np.diag(hessian_product(np.diag(s), E)), wanted, rtol=1e-4)


def test_batches_broadcast_and_what_is_not_finite_stays_alone() -> None:
    X = np.random.default_rng(1).normal(size=(3, 1, 4, 4))
    X[1, 0, 2, 2] = np.nan
    E = np.random.default_rng(2).normal(size=(2, 4, 4))
    product = hessian_product(X, E)
    assert product.shape == (3, 2, 4, 4)
    assert np.isnan(product[1]).all()
    np.testing.assert_array_equal(product[2, 1], hessian_product(X[2, 0], E[1]))


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 0)])
def test_nothing_has_a_product(shape: tuple[int, ...]) -> None:
    assert hessian_product(np.zeros(shape), np.zeros(shape)).shape == shape


def test_float32_stays_float32() -> None:
    assert hessian_product(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)).dtype == "f4"


def test_the_examples_run() -> None:
    assert doctest.testmod(cofactors).failed == 0
