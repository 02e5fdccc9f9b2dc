"""matgrad.layout.vectorization: the laws of vec, vech and their matrices."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matgrad.layout import (
    commutation_matrix,
    duplication_matrix,
    elimination_matrix,
    unvec,
    unvech,
    vec,
    vech,
)

Array = NDArray[np.int64]

dimension = st.integers(0, 5)
batches = st.lists(st.integers(0, 3), max_size=2)
rng = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def integers(rng: np.random.Generator, *shape: int) -> Array:
    """Return a random integer array: its products are exact, so that laws hold with ==."""
    return rng.integers(-9, 10, shape)


def symmetric(rng: np.random.Generator, n: int, *batch: int) -> Array:
    X = integers(rng, *batch, n, n)
    return X + X.mT


# ----------------------------------------------------------------------------------- vec and vech


@given(rng, batches, dimension, dimension)
def test_vec_stacks_columns(rng: np.random.Generator, batch: list[int], m: int, n: int) -> None:
    X = integers(rng, *batch, m, n)
    stacked = vec(X)
    assert stacked.shape == (*batch, m * n)
    for point in np.ndindex(*batch):
        np.testing.assert_array_equal(stacked[point], X[point].ravel(order="F"))


@given(rng, batches, dimension, dimension)
def test_vec_row_major_stacks_rows(
    rng: np.random.Generator, batch: list[int], m: int, n: int
) -> None:
    X = integers(rng, *batch, m, n)
    stacked = vec(X, order="row-major")
    np.testing.assert_array_equal(stacked, vec(X.mT))
    for point in np.ndindex(*batch):
        np.testing.assert_array_equal(stacked[point], X[point].ravel())


@given(rng, batches, dimension, dimension, st.sampled_from(["column-major", "row-major"]))
def test_unvec_undoes_vec(
    rng: np.random.Generator, batch: list[int], m: int, n: int, order: Any
) -> None:
    X = integers(rng, *batch, m, n)
    back = unvec(vec(X, order=order), (m, n), order=order)
    assert back.shape == X.shape
    np.testing.assert_array_equal(back, X)


def test_unvec_is_a_view_of_any_vector() -> None:
    every_second = np.arange(36).reshape(3, 12)[:, ::2]
    assert np.shares_memory(unvec(every_second, (2, 3)), every_second)


def test_vec_copies_only_what_lies_in_another_order() -> None:
    X = np.ones((2, 3))
    assert np.shares_memory(vec(X, order="row-major"), X)
    assert not np.shares_memory(vec(X), X)
    columns = np.asfortranarray(X)
    assert np.shares_memory(vec(columns), columns)


@given(rng, batches, dimension)
def test_vech_stacks_the_columns_of_the_lower_triangle(
    rng: np.random.Generator, batch: list[int], n: int
) -> None:
    X = integers(rng, *batch, n, n)
    stacked = vech(X)
    assert stacked.shape == (*batch, n * (n + 1) // 2)
    for point in np.ndindex(*batch):
        entries = [X[point][i, j] for j in range(n) for i in range(j, n)]
        np.testing.assert_array_equal(stacked[point], entries)


@given(rng, batches, dimension)
def test_unvech_undoes_vech_of_a_symmetric_matrix(
    rng: np.random.Generator, batch: list[int], n: int
) -> None:
    S = symmetric(rng, n, *batch)
    back = unvech(vech(S))
    assert back.shape == S.shape
    np.testing.assert_array_equal(back, S)


# --------------------------------------------------------------------------- products and traces


@given(rng, batches, dimension, dimension, dimension, dimension)
def test_vec_of_a_product_is_a_kronecker_product_times_vec(
    rng: np.random.Generator, batch: list[int], m: int, n: int, p: int, q: int
) -> None:
    A, X, B = integers(rng, m, n), integers(rng, *batch, n, p), integers(rng, p, q)
    np.testing.assert_array_equal(vec(A @ X @ B), vec(X) @ np.kron(B.T, A).T)


@given(rng, dimension, dimension)
def test_the_trace_of_a_product_is_an_inner_product_of_vecs(
    rng: np.random.Generator, m: int, n: int
) -> None:
    A, B = integers(rng, m, n), integers(rng, m, n)
    assert np.trace(A.T @ B) == vec(A) @ vec(B)


# ------------------------------------------------------------------------------ their matrices


@given(rng, dimension, dimension)
def test_commutation_transposes(rng: np.random.Generator, m: int, n: int) -> None:
    X = integers(rng, m, n)
    np.testing.assert_array_equal(commutation_matrix(m, n) @ vec(X), vec(X.T))


@given(dimension, dimension)
def test_the_transpose_of_commutation_is_its_inverse(m: int, n: int) -> None:
    K = commutation_matrix(m, n)
    np.testing.assert_array_equal(K.T @ K, np.eye(m * n))
    np.testing.assert_array_equal(K.T, commutation_matrix(n, m))


@given(st.integers(1, 4), st.integers(1, 4))
def test_commutation_is_a_sum_of_kronecker_products(m: int, n: int) -> None:
    K = np.zeros((m * n, m * n))
    for i, j in np.ndindex(m, n):
        E = np.zeros((m, n))
        E[i, j] = 1
        K += np.kron(E, E.T)
    np.testing.assert_array_equal(commutation_matrix(m, n), K)


@given(rng, dimension, dimension, dimension, dimension)
def test_commutation_swaps_the_factors_of_a_kronecker_product(
    rng: np.random.Generator, m: int, n: int, p: int, q: int
) -> None:
    A, B = integers(rng, m, n), integers(rng, p, q)
    swapped = commutation_matrix(p, m) @ np.kron(A, B)
    np.testing.assert_array_equal(swapped, np.kron(B, A) @ commutation_matrix(q, n))


@given(rng, dimension)
def test_duplication_fills_both_triangles(rng: np.random.Generator, n: int) -> None:
    S = symmetric(rng, n)
    np.testing.assert_array_equal(duplication_matrix(n) @ vech(S), vec(S))


@given(rng, dimension)
def test_elimination_keeps_the_lower_triangle_of_any_matrix(
    rng: np.random.Generator, n: int
) -> None:
    X = integers(rng, n, n)
    np.testing.assert_array_equal(elimination_matrix(n) @ vec(X), vech(X))


@given(dimension)
def test_elimination_undoes_duplication(n: int) -> None:
    product = elimination_matrix(n) @ duplication_matrix(n)
    np.testing.assert_array_equal(product, np.eye(n * (n + 1) // 2))


@given(dimension)
def test_commutation_leaves_duplication_as_it_is(n: int) -> None:
    D = duplication_matrix(n)
    np.testing.assert_array_equal(commutation_matrix(n, n) @ D, D)


@given(dimension)
def test_duplication_after_its_pseudoinverse_symmetrizes(n: int) -> None:
    D, K = duplication_matrix(n), commutation_matrix(n, n)
    projector = D @ np.linalg.inv(D.T @ D) @ D.T
    np.testing.assert_allclose(projector, (np.eye(n * n) + K) / 2, atol=1e-15)


@given(rng, dimension, dimension)
def test_the_derivative_of_a_gram_matrix_needs_commutation(
    rng: np.random.Generator, m: int, n: int
) -> None:
    """d vec(X'X) = (I (x) X' + (X' (x) I) K) d vec X; of a quadratic, differences are exact."""
    X = integers(rng, m, n)
    J = np.kron(np.eye(n), X.T) + np.kron(X.T, np.eye(n)) @ commutation_matrix(m, n)
    for k, direction in enumerate(np.eye(m * n)):
        E = unvec(direction, (m, n))
        central = ((X + E).T @ (X + E) - (X - E).T @ (X - E)) / 2
        np.testing.assert_array_equal(J[:, k], vec(central))


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.complex128])
def test_matrices_have_the_dtype_asked_for(dtype: Any) -> None:
    for matrix in (commutation_matrix(2, 3, dtype=dtype), duplication_matrix(3, dtype=dtype)):
        assert matrix.dtype == dtype
    assert elimination_matrix(3).dtype == np.float64


# --------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vec(np.ones(3)), "vec expects at least 2 axes; got shape (3,)"),
        (
            lambda: vec(np.ones((2, 2)), order="F"),  # type: ignore[arg-type]
            "vec expects order 'column-major' or 'row-major'; got 'F'",
        ),
        (lambda: unvec(np.ones(7), (2, 3)), "unvec expects the last axes (6,); got (7,)"),
        (lambda: unvec(np.float64(7), (1, 1)), "unvec expects at least 1 axis; got shape ()"),
        (
            lambda: unvec(np.ones(6), (2, 3, 1)),  # type: ignore[arg-type]
            "unvec expects shape=(rows, columns); got shape=(2, 3, 1)",
        ),
        (lambda: vech(np.ones((3, 4, 5))), "vech needs square matrices; got shape (3, 4, 5)"),
        (lambda: vech(np.ones(4)), "vech needs square matrices; got shape (4,)"),
        (
            lambda: unvech(np.ones((2, 5))),
            "unvech needs vectors of length n(n+1)/2; got shape (2, 5)",
        ),
        (lambda: unvech(3.0), "unvech needs vectors of length n(n+1)/2; got shape ()"),
        (
            lambda: commutation_matrix(2, -3),
            "commutation_matrix needs dimensions that are not negative; got 2, -3",
        ),
        (
            lambda: duplication_matrix(-1),
            "duplication_matrix needs dimensions that are not negative; got -1",
        ),
        (
            lambda: elimination_matrix(-1),
            "elimination_matrix needs dimensions that are not negative; got -1",
        ),
    ],
)
def test_what_cannot_be_says_why(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"expects|needs") as error:
        call()
    assert str(error.value) == message
