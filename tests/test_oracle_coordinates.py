"""Oracles: how variables are packed, the sizes that x shows, and what copies know of them."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import Oracle, catalog
from tests.test_oracle import LIKELIHOOD, PARAMETRIZATIONS, definite

Array = NDArray[Any]


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_unpack_undoes_pack(parametrization: str) -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(4), parametrization=parametrization)
    S = definite(4, 3)
    np.testing.assert_allclose(oracle.unpack(oracle.pack(S=S))["S"], S, rtol=1e-13)


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_integers_are_packed_and_unpacked_as_float64(parametrization: str) -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(2), parametrization=parametrization)
    S, x = np.array([[2, 1], [1, 2]]), np.arange(1, oracle.size + 1)
    np.testing.assert_array_equal(oracle.pack(S=S), oracle.pack(S=S.astype(float)))
    unpacked = oracle.unpack(x.astype(float))["S"]
    np.testing.assert_array_equal(oracle.unpack(x)["S"], unpacked)
    hundred = oracle.unpack(np.full(oracle.size, 100, np.int8))["S"]
    assert hundred[1, 0] >= 100 / 2**0.5


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_the_symmetric_part_is_packed(parametrization: str) -> None:
    oracle = Oracle(
        "logdet(S)", "S", structure="positive_definite", parametrization=parametrization
    )
    S = np.array([[3.0, 1.0], [0.0, 2.0]])
    unpacked = oracle.unpack(oracle.pack(S=S))["S"]
    np.testing.assert_allclose(unpacked, (S + S.T) / 2, rtol=1e-14)


def test_unpack_takes_x_in_the_shape_of_the_only_variable() -> None:
    X = np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_array_equal(Oracle("tr(X'*X)", "X").unpack(X)["X"], X)
    assert Oracle("exp(alpha)", "alpha").unpack(2.0)["alpha"] == 2


def test_scaled_vech_keeps_inner_products() -> None:
    oracle = Oracle(LIKELIHOOD, C=np.eye(4), parametrization="scaled-vech")
    A, B = definite(4, seed=1), definite(4, seed=2)
    assert oracle.pack(S=A) @ oracle.pack(S=B) == pytest.approx(np.sum(A * B), rel=1e-13)


def test_x_may_be_flat_or_shaped() -> None:
    S = definite(3)
    oracle = Oracle(LIKELIHOOD, C=np.eye(3))
    value, gradient = oracle.value_and_gradient(S)
    flat_value, flat_gradient = oracle.value_and_gradient(S.ravel())
    assert value == flat_value
    assert gradient.shape == (3, 3)
    np.testing.assert_array_equal(gradient.ravel(), flat_gradient)


def test_an_x_in_the_shape_of_a_matrix_with_one_row_is_that_matrix() -> None:
    oracle = Oracle("a'*X*b", "X", a=[2.0], b=np.ones(3))
    assert np.shape(oracle.value(np.ones((1, 3)))) == ()
    assert oracle.value(np.ones((2, 3))).shape == (2,)


@pytest.mark.parametrize("shape", [(3, 3), (9,), (5, 3, 3), (5, 9)])
def test_x_shows_the_size_where_no_constant_does(shape: tuple[int, ...]) -> None:
    X = np.broadcast_to(definite(3), (5, 3, 3) if shape[0] == 5 else (3, 3)).reshape(shape)
    oracle = Oracle(catalog["log-determinant"])
    gradient = oracle.gradient(X)
    assert oracle.size == 9
    assert gradient.shape == shape
    for each in gradient.reshape(-1, 3, 3):
        np.testing.assert_allclose(each, np.linalg.inv(definite(3)), rtol=1e-12)


@pytest.mark.parametrize("wrt", [("w", "X"), ("X", "w")])
def test_sizes_that_x_does_not_show_are_shown_by_pack(wrt: tuple[str, str]) -> None:
    oracle = Oracle("w'*w + tr(X*X)", wrt)
    with pytest.raises(ValueError, match=r"cannot tell the sizes of .* pack them once"):
        oracle.value(np.ones(6))
    x = oracle.pack(w=np.ones(2), X=np.eye(2))
    assert oracle.value(x) == 4


def test_x_shows_the_size_of_what_comes_after_a_scalar() -> None:
    x = np.arange(1.0, 4.0)
    np.testing.assert_array_equal(
        Oracle("alpha*w'*w", ("alpha", "w")).gradient(x), [x[1:] @ x[1:], *(2 * x[0] * x[1:])]
    )


REFUSED: dict[str, Callable[[Oracle], object]] = {
    "value": lambda oracle: oracle.value(np.ones((3, 3), np.float16)),
    "a batch": lambda oracle: oracle.value(np.ones((4, 3, 3))),
    "axes": lambda oracle: oracle.axes((4, 3, 3)),
    "pack": lambda oracle: oracle.pack(X=np.ones((3, 2))),
    "unpack": lambda oracle: oracle.unpack(np.ones((3, 3), complex)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_does_not_settle_the_size(name: str) -> None:
    oracle = Oracle("sum(alpha*X^2)", "X", alpha=np.ones(5))
    with pytest.raises((TypeError, ValueError)):
        REFUSED[name](oracle)
    assert oracle.value(np.eye(2)).shape == (5,)


@pytest.mark.parametrize("shape", [(9,), (3, 3), (2, 9), (2, 3, 3), (4, 1, 9)])
def test_axes_are_those_of_the_results(shape: tuple[int, ...]) -> None:
    oracle = Oracle("tr(X*A)", "X", A=np.ones((2, 3, 3)))
    value, gradient = oracle.value_and_gradient(np.ones(shape))
    assert oracle.axes(shape) == (value.shape, gradient.shape[value.ndim :])


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_an_x_without_entries_shows_a_matrix_without_entries(parametrization: str) -> None:
    oracle = Oracle("tr(S)", "S", parametrization=parametrization)
    value, gradient = oracle.value_and_gradient(np.zeros(0))
    assert (value, gradient.shape, oracle.size) == (0, (0,), 0)


def test_a_copy_by_pickle_gives_the_same() -> None:
    oracle = Oracle(LIKELIHOOD, C=definite(3), parametrization="log-cholesky")
    x = oracle.pack(S=definite(3, seed=1))
    value, gradient = oracle.value_and_gradient(x)
    other = pickle.loads(pickle.dumps(oracle))
    assert other.counts == oracle.counts
    found, found_gradient = other.value_and_gradient(x)
    assert found == value
    np.testing.assert_array_equal(found_gradient, gradient)


COPIES: dict[str, Callable[[Oracle], Oracle]] = {
    "pickle": lambda oracle: pickle.loads(pickle.dumps(oracle)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "with_constants": lambda oracle: oracle.with_constants(A=np.stack([np.eye(3)] * 2)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_knows_the_sizes_that_an_x_has_shown(name: str) -> None:
    X = np.arange(6.0).reshape(2, 3)
    oracle = Oracle("tr(X*A*X')", "X", A=np.eye(3))
    value = oracle.value(X)
    other = COPIES[name](oracle)
    assert other.size == 6
    np.testing.assert_array_equal(other.value(X.ravel()), value)


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_has_its_own_counts_and_constants_that_stay(name: str) -> None:
    oracle = Oracle("alpha*tr(X*A*X')", "X", A=np.eye(3), alpha=2.0)
    oracle.value(np.ones((2, 3)))
    other = COPIES[name](oracle)
    other.value(np.zeros((2, 3)))
    assert oracle.counts.values == 1
    assert not other.constants["A"].flags.writeable
    assert type(other.constants["alpha"]) is float


def test_a_copy_with_other_constants_is_of_the_same_class() -> None:
    class Special(Oracle):
        """An oracle with more in it."""

    special = Special("x'*b", "x", b=np.ones(2))
    other = special.with_constants(b=np.zeros(2))
    assert type(other) is Special
    assert (other.value(np.ones(2)), special.value(np.ones(2))) == (0, 2)


def test_variables_may_have_names_of_python() -> None:
    oracle = Oracle("self'*subject", "self", subject=np.ones(2))
    assert oracle.with_constants(subject=[2.0, 3.0]).value(oracle.pack(self=[1.0, 1.0])) == 5
    assert Oracle("self'*x", "x", self=[2.0, 3.0]).value([1.0, 1.0]) == 5


def test_constants_of_other_sizes_let_x_show_its_own() -> None:
    oracle = Oracle("tr(X*A*X')", "X", A=np.eye(3))
    oracle.value(np.ones((2, 3)))
    assert oracle.with_constants(A=np.eye(4)).value(np.ones((5, 4))) == 20
