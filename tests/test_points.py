"""Points: which values are failures, and what is kept of a gradient."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import Oracle

Array = NDArray[Any]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_values_whose_sum_is_not_are_no_failure(dtype: Any) -> None:
    root = np.sqrt(np.finfo(dtype).max) / 2
    x = np.full((3, 3), root, dtype)
    with np.errstate(all="raise"):
        value = Oracle("x'*x", "x").value(x)
        residual = Oracle("alpha*x", "x", alpha=dtype(root)).residual(2 * x[0])
    np.testing.assert_allclose(value, 3 * float(root) ** 2, rtol=1e-6)
    np.testing.assert_allclose(residual, 2 * float(root) ** 2, rtol=1e-6)


def test_infinite_values_of_both_signs_are_failures_without_a_warning() -> None:
    x = np.array([[0.0, 0.0], [np.inf, 1.0], [1.0, 1.0]])
    with np.errstate(all="raise"):
        value = Oracle("log(x'*a)", "x", a=np.ones(2)).value(x)
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.log(2.0)])


# ---- gradients that are given away --------------------------------------------------------------

# Problems of a batch, and entries of a vector.
LARGE = 5000
GIVEN = {
    "tr(X*A*X'*Q)": {"A": (3, 3), "Q": (2, 2)},
    "sum(exp(X))": {},
    "norm(X - A)^2": {"A": (2, 3)},
    "tr(A'*X)": {"A": (2, 3)},
    "exp(tr(A'*X))": {"A": (2, 3)},
    "sum(X)": {},
    "logdet(X*X')": {},
}


def large(text: str, batch: tuple[int, ...] = (LARGE,)) -> tuple[Oracle, Array]:
    """Return an oracle of a batch with a large gradient, and an x."""
    rng = np.random.default_rng(0)
    constants: Any = {
        name: rng.normal(size=(*batch, *shape)) for name, shape in GIVEN[text].items()
    }
    return Oracle(text, "X", **constants), rng.normal(size=(*batch, 2, 3))


@pytest.mark.parametrize("text", GIVEN)
def test_a_large_gradient_is_the_callers_own(text: str) -> None:
    oracle, X = large(text)
    value, gradient = oracle.value_and_gradient(X)
    own = value.copy(), gradient.copy()
    for k in range(4):
        gradient[...] = value[...] = np.nan
        if k % 2:
            np.testing.assert_allclose(oracle.value(X), own[0], rtol=1e-10, atol=1e-10)
        value, gradient = oracle.value_and_gradient(X)
        np.testing.assert_allclose(value, own[0], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(gradient, own[1], rtol=1e-10, atol=1e-10)
    kept = X.copy()
    X[...] = 0
    np.testing.assert_allclose(oracle.gradient(kept), own[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("text", GIVEN)
def test_hessian_products_after_a_large_gradient_are_those_of_an_oracle_that_never_gave_it(
    text: str,
) -> None:
    oracle, X = large(text)
    fresh, _ = large(text)
    P = np.ones_like(X)
    gradient = oracle.gradient(X)
    product = oracle.hessp(X, P)
    np.testing.assert_array_equal(product, fresh.hessp(X, P))
    np.testing.assert_allclose(oracle.gradient(X), gradient, rtol=1e-12, atol=1e-12)
    gradient[...] = np.nan
    np.testing.assert_array_equal(oracle.hessp(X, P), product)


def test_a_large_gradient_is_computed_again_and_a_value_is_kept_for_it() -> None:
    oracle, X = large("tr(X*A*X'*Q)")
    for _ in range(3):
        oracle.gradient(X)
    assert (oracle.counts.values, oracle.counts.gradients) == (3, 3)
    for _ in range(2):
        oracle.value(X)
        oracle.gradient(X)
    assert (oracle.counts.values, oracle.counts.gradients) == (4, 5)


@pytest.mark.parametrize(("text", "batch"), [("logdet(X*X')", (LARGE,)), ("sum(exp(X))", (5,))])
def test_a_gradient_of_a_factorisation_or_a_small_one_is_computed_once(
    text: str, batch: tuple[int, ...]
) -> None:
    oracle, X = large(text, batch)
    for _ in range(3):
        oracle.gradient(X)
    assert (oracle.counts.values, oracle.counts.gradients) == (1, 1)
    assert oracle.counts.factorisations == (text == "logdet(X*X')")


def test_a_large_gradient_of_one_problem_and_a_test_for_definiteness_are_not_repeated() -> None:
    x, S = np.ones(LARGE), np.stack([np.eye(3)] * LARGE)
    one = Oracle("sum(exp(x))", "x")
    many = Oracle("tr(S)^2", "S", structure="positive_definite")
    for _ in range(3):
        one.gradient(x)
        many.gradient(S)
    assert one.counts.gradients == many.counts.gradients == many.counts.tests == 1


def test_what_is_large_is_measured_in_the_dtype_of_the_gradient() -> None:
    x = np.ones((LARGE, 2), np.int8)
    for dtype, count in ((np.float64, 3), (np.float32, 1)):
        oracle = Oracle("norm(x - a)^2", "x", a=np.ones(2, dtype))
        part = x if dtype is np.float64 else x[: LARGE // 2].astype(dtype)
        for _ in range(3):
            oracle.gradient(part)
        assert oracle.counts.gradients == count


def test_large_gradients_by_several_variables_are_the_callers_own() -> None:
    rng = np.random.default_rng(0)
    oracle = Oracle("norm(A - U*V')^2", ("U", "V"), A=rng.normal(size=(LARGE, 3, 3)))
    x = rng.normal(size=(LARGE, 12))
    oracle.pack(U=np.ones((3, 2)), V=np.ones((3, 2)))
    wanted = oracle.gradient(x).copy()
    for _ in range(2):
        gradient = oracle.gradient(x)
        np.testing.assert_array_equal(gradient, wanted)
        gradient[...] = np.nan


@pytest.mark.parametrize("text", ["tr(X*A*X'*Q)", "norm(X - A)^2"])
def test_how_a_large_x_lies_in_memory_changes_no_bit(text: str) -> None:
    oracle, X = large(text)
    value, gradient = oracle.value_and_gradient(X)
    misaligned = np.empty(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape)
    misaligned[...] = X
    others = (np.repeat(X, 2, axis=-1)[..., ::2], misaligned, X.astype(X.dtype.newbyteorder()))
    for other in (X.mT.copy().mT, *others):
        found = large(text)[0].value_and_gradient(other)
        np.testing.assert_array_equal(found[0], value)
        np.testing.assert_array_equal(found[1], gradient)


def test_large_gradients_of_threads_are_their_own() -> None:
    oracle, X = large("tr(X*A*X'*Q)")
    wanted = oracle.gradient(X)

    def ask(_: int) -> Array:
        gradient = oracle.gradient(X)
        found = gradient.copy()
        gradient[...] = np.nan
        return found

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(ask, range(40)):
            np.testing.assert_array_equal(found, wanted)


def test_a_large_gradient_outside_the_domain_is_nan() -> None:
    X = np.ones((LARGE, 2, 3))
    X[7] = -1
    oracle = Oracle("sum(log(X))", "X")
    for _ in range(2):
        value, gradient = oracle.value_and_gradient(X)
        assert np.isinf(value).sum() == 1
        np.testing.assert_array_equal(np.isnan(gradient).all(axis=(1, 2)), np.isinf(value))
