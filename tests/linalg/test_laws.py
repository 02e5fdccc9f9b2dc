"""Laws of determinants, inverses, adjugates and traces, for whatever hypothesis finds."""

from types import ModuleType

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.linalg.judges import (
    adjugate_bound,
    assert_close,
    column_norms,
    det_bound,
    unit_roundoff,
)
from tests.linalg.samples import Array

# Numbers of 20 bits: products of two matrices of them are exact. Shrinks to singular matrices.
dyadic = st.integers(-(2**19), 2**19).map(lambda k: k / 2**10) | st.integers(-3, 3).map(float)
sizes = st.integers(0, 10)
u = unit_roundoff(np.float64)


def matrices(n: int, m: int | None = None) -> st.SearchStrategy[Array]:
    """Matrices of dyadic numbers, singular ones not rare."""
    return arrays(np.float64, (n, n if m is None else m), elements=dyadic)


square = sizes.flatmap(matrices)
two_square = sizes.flatmap(lambda n: st.tuples(matrices(n), matrices(n)))
opposite = st.tuples(sizes, sizes).flatmap(
    lambda s: st.tuples(matrices(s[0], s[1]), matrices(s[1], s[0]))
)
quadratic = st.tuples(sizes, sizes).flatmap(
    lambda s: st.tuples(matrices(s[0], s[1]), matrices(s[1]), matrices(s[0]))
)


def condition_of(X: Array) -> float:
    """Return the condition number, infinite for a singular matrix."""
    return float(np.linalg.cond(X)) if len(X) else 1.0


@given(two_square)
def test_det_of_a_product_is_the_product_of_dets(
    kernels: ModuleType, pair: tuple[Array, Array]
) -> None:
    A, B = pair
    largest = column_norms(A).prod() * column_norms(B).prod()
    bound = det_bound(A @ B) + 16 * max(len(A), 1) ** 2 * u * largest
    assert_close(kernels.det(A @ B), kernels.det(A) * kernels.det(B), bound)


@given(square)
def test_det_of_the_transpose_is_the_det(kernels: ModuleType, X: Array) -> None:
    assert_close(kernels.det(X.T), kernels.det(X), det_bound(X) + det_bound(X.T))


@given(sizes.flatmap(lambda n: st.tuples(matrices(n), st.permutations(range(n)))))
def test_exchanging_rows_changes_only_the_sign_of_det(
    kernels: ModuleType, pair: tuple[Array, list[int]]
) -> None:
    X, order = pair
    sign = round(np.linalg.det(np.eye(len(X))[order]))
    assert_close(kernels.det(X[order]), sign * kernels.det(X), 2 * det_bound(X))


@given(square)
def test_slogdet_is_the_logarithm_of_det(kernels: ModuleType, X: Array) -> None:
    sign, logabsdet = kernels.slogdet(X)
    assert_close(sign * np.exp(logabsdet), kernels.det(X), 100 * det_bound(X))


@given(square)
def test_inverse_undoes_itself(kernels: ModuleType, X: Array) -> None:
    kappa = condition_of(X)
    assume(kappa < 1e6)
    bound = 16 * max(len(X), 1) * u * kappa**2 * np.linalg.norm(X)
    assert_close(kernels.inv(kernels.inv(X)), X, bound)


@given(square)
def test_inverse_times_matrix_is_the_identity(kernels: ModuleType, X: Array) -> None:
    kappa = condition_of(X)
    assume(kappa < 1e12)
    bound = 16 * max(len(X), 1) * u * kappa
    assert_close(kernels.inv(X) @ X, np.eye(len(X)), bound)
    assert_close(X @ kernels.inv(X), np.eye(len(X)), bound)


@given(square)
def test_matrix_times_adjugate_is_det_times_identity(kernels: ModuleType, X: Array) -> None:
    adjugate, det = kernels.adjugate(X), kernels.det(X)
    bound = adjugate_bound(X)
    identity = det * np.eye(len(X))
    assert_close(X @ adjugate, identity, abs(X) @ bound + det_bound(X))
    assert_close(adjugate @ X, identity, bound * abs(X).sum(axis=0) + det_bound(X))


@given(two_square)
def test_adjugate_of_a_product_is_the_reversed_product(
    kernels: ModuleType, pair: tuple[Array, Array]
) -> None:
    A, B = pair
    n = max(len(A), 1)
    # Minors of the factors, too, are at most products of the norms of the other columns.
    largest = adjugate_bound(B) * np.sum(adjugate_bound(A)) / (8 * n * n * u)
    expected = kernels.adjugate(B) @ kernels.adjugate(A)
    assert_close(kernels.adjugate(A @ B), expected, adjugate_bound(A @ B) + 4 * largest)


@given(square)
def test_gradients_are_transposes_of_adjugate_and_inverse(kernels: ModuleType, X: Array) -> None:
    det, gradient = kernels.det_and_gradient(X)
    assert_close(det, kernels.det(X), det_bound(X))
    assert_close(gradient.T, kernels.adjugate(X), adjugate_bound(X))
    kappa = condition_of(X)
    assume(kappa < 1e12)
    gradient = kernels.slogdet_and_gradient(X)[2]
    inverse = kernels.inv(X)
    bound = 16 * max(len(X), 1) * u * kappa * np.linalg.norm(inverse)
    assert_close(gradient.T, inverse, bound)
    beside = kernels.slogdet_and_inverse(X)
    for found, expected in zip(beside, kernels.slogdet_and_gradient(X), strict=True):
        np.testing.assert_array_equal(found, expected.mT if expected.ndim == X.ndim else expected)


@given(opposite)
def test_trace_of_a_product_does_not_mind_the_order(
    kernels: ModuleType, pair: tuple[Array, Array]
) -> None:
    A, B = pair
    bound = 4 * A.size * u * np.trace(abs(A) @ abs(B))
    assert_close(kernels.trace(A @ B), kernels.trace(B @ A), bound)
    assert_close(kernels.trace_product(A, B), kernels.trace_product(B, A), bound)


@given(opposite)
def test_trace_product_is_the_trace_of_the_product(
    kernels: ModuleType, pair: tuple[Array, Array]
) -> None:
    A, X = pair
    bound = 4 * A.size * u * np.trace(abs(A) @ abs(X))
    assert_close(kernels.trace_product(A, X), kernels.trace(A @ X), bound)


@given(two_square)
def test_trace_is_linear(kernels: ModuleType, pair: tuple[Array, Array]) -> None:
    A, B = pair
    bound = 4 * len(A) * u * np.trace(abs(A) + 2 * abs(B))
    assert_close(kernels.trace(A - 2 * B), kernels.trace(A) - 2 * kernels.trace(B), bound)


@given(quadratic)
def test_quadratic_trace_is_half_its_gradient_along_itself(
    kernels: ModuleType, triple: tuple[Array, Array, Array]
) -> None:
    # Euler: f(tX) = t^2 f(X), so <gradient, X> = 2 f.
    X, A, Q = triple
    value, gradient = kernels.quadratic_trace_and_gradient(X, A, Q)
    bound = 16 * (X.size + len(X) + len(A)) * u * np.trace(abs(X) @ abs(A) @ abs(X.T) @ abs(Q))
    assert_close(np.sum(gradient * X), 2 * value, bound)
    assert_close(kernels.quadratic_trace(X, A, Q), value, bound)


@given(quadratic.flatmap(lambda t: st.tuples(st.just(t), matrices(*t[0].shape))))
def test_central_difference_of_quadratic_trace_is_its_gradient(
    kernels: ModuleType, pair: tuple[tuple[Array, Array, Array], Array]
) -> None:
    # A quadratic function has no truncation error at any step, here 1.
    (X, A, Q), D = pair
    gradient = kernels.quadratic_trace_and_gradient(X, A, Q)[1]
    difference = kernels.quadratic_trace(X + D, A, Q) - kernels.quadratic_trace(X - D, A, Q)
    Y = abs(X) + abs(D)
    bound = 32 * (X.size + len(X) + len(A)) * u * np.trace(Y @ abs(A) @ Y.T @ abs(Q))
    assert_close(difference / 2, np.sum(gradient * D), bound)


@given(square.filter(lambda X: X.size > 0), st.data())
def test_det_is_affine_in_every_entry(kernels: ModuleType, X: Array, data: st.DataObject) -> None:
    i, j = (data.draw(st.integers(0, len(X) - 1)) for _ in range(2))
    Y = X.copy()
    Y[i, j] += 1
    slope = kernels.det_and_gradient(X)[1][i, j]
    bound = det_bound(X) + det_bound(Y) + adjugate_bound(X)[j, 0]
    assert_close(kernels.det(Y) - kernels.det(X), slope, bound)
