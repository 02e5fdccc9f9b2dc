"""The check accuses no right derivative and passes no wrong one."""

from typing import Any

import numpy as np
import pytest

import matgrad
from matgrad.differences import EvaluationError

from .catalog import CASES, mutants, scaled, total

SCALES = (1e-12, 1e-4, 1.0, 1e8)


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def on_all_scales(case: Any, dtype: Any) -> tuple[Any, Any, Any]:
    """Points of one case, each scaled otherwise, the last with every entry scaled otherwise."""
    x = case.draw(rng(), len(SCALES) + 1)
    scale = np.empty(x.shape)
    scale[:-1] = (1 / np.array(SCALES)).reshape(-1, *(1,) * case.ndim)
    scale[-1] = 10.0 ** rng().uniform(-8, 12, x.shape[1:])
    return *scaled(case, scale, dtype), (x / scale).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_right_gradients_pass_on_all_scales(name: Any, dtype: Any) -> None:
    f, terms, x = on_all_scales(CASES[name], dtype)
    check = matgrad.check_gradient(f, total(terms), x, ndim=CASES[name].ndim, rng=0)
    assert check.ok.all(), check


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_wrong_gradients_are_accused_on_all_scales(name: Any, dtype: Any) -> None:
    f, terms, x = on_all_scales(CASES[name], dtype)
    for mistake, gradient in mutants(CASES[name], terms, x):
        check = matgrad.check_gradient(f, gradient, x, ndim=CASES[name].ndim, rng=0)
        assert np.all(check.verdict == "wrong"), (mistake, check.verdict)


@pytest.mark.parametrize("exponent", [-150, 150, 154, 200, 300])
def test_squares_of_slopes_may_leave_the_range_of_floats(exponent: Any) -> None:
    size, x = 10.0**exponent, np.array([1.0, 2.0, 3.0])

    def check(gradient: Any) -> Any:
        return matgrad.check_gradient(lambda x: size * (x * x).sum(-1), gradient, x, ndim=1, rng=0)

    assert check(lambda x: 2 * size * x).ok
    assert "0.666667 times" in str(check(lambda x: 3 * size * x).diagnosis)
    assert check(2 * size * x).ok
    assert check(3 * size * x).verdict == "wrong"


def test_one_entry_may_be_wrong_by_the_whole_range_of_floats() -> None:
    x = np.array([1.0, 2.0, 3.0])
    for entry in (1e160, -1e300):
        claimed = np.array([2.0, 4.0, entry])
        check = matgrad.check_gradient(lambda x: (x * x).sum(-1), claimed, x, ndim=1, rng=0)
        assert str(check.diagnosis).startswith("1 entry is wrong, (2,)")


def test_a_slope_that_overflows_is_not_right() -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        check = matgrad.check_gradient(
            lambda x: (x * x).sum(-1), lambda x: 0 * x + 1e300, [1e9, 1e10], ndim=1, rng=0
        )
    assert check.verdict == "undecided"


def in_single(f: Any) -> Any:
    return lambda x: f(np.asarray(x, dtype=np.float32))


def in_secret(f: Any) -> Any:
    return lambda x: np.asarray(f(np.asarray(x, dtype=np.float32)), dtype=float)


@pytest.mark.parametrize("wrapped", [in_single, in_secret])
@pytest.mark.parametrize("name", CASES)
def test_functions_in_single_precision_are_judged_by_their_rounding(
    name: Any, wrapped: Any
) -> None:
    case = CASES[name]
    x = case.draw(rng(), 3).astype(np.float32)
    gradient = in_single(total(case.terms))
    right = matgrad.check_gradient(wrapped(case.f), gradient, x, ndim=case.ndim, rng=0)
    wrong = matgrad.check_gradient(
        wrapped(case.f), lambda x: 2 * gradient(x), x, ndim=case.ndim, rng=0
    )
    assert right.ok.all(), right
    assert np.all(wrong.verdict == "wrong"), wrong


@pytest.mark.parametrize("digits", [3, 5])
def test_functions_that_are_rounded_do_not_accuse_right_gradients(digits: Any) -> None:
    x = rng().normal(size=(100, 3)) * 10.0 ** rng().uniform(-3, 1, (100, 1))

    def f(x: Any) -> Any:
        return np.round((x * x + np.sin(x)).sum(-1), digits)

    check = matgrad.check_gradient(f, lambda x: 2 * x + np.cos(x), x, ndim=1, rng=0)
    assert not np.any(check.verdict == "wrong")
    assert np.mean(check.ok) > 0.9


def log_det(X: Any) -> Any:
    return np.linalg.slogdet(X)[1]


def inverse_transposed(X: Any) -> Any:
    return np.swapaxes(np.linalg.inv(X), -1, -2)


def softplus(x: Any) -> Any:
    return np.sum(np.logaddexp(0, x), axis=-1)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("f", "gradient", "shape", "place"),
    [
        pytest.param(log_det, inverse_transposed, (100, 100), (3, 7), id="slogdet"),
        pytest.param(softplus, sigmoid, (10_000,), (77,), id="softplus"),
    ],
)
def test_one_entry_among_ten_thousand_is_found(
    f: Any, gradient: Any, shape: Any, place: Any, dtype: Any
) -> None:
    x, ndim = rng().normal(size=shape).astype(dtype), len(shape)

    def doubled(x: Any) -> Any:
        G = np.array(gradient(x))
        G[(..., *place)] *= 2
        return G

    assert matgrad.check_gradient(f, gradient, x, ndim=ndim, rng=0).ok
    check = matgrad.check_gradient(f, doubled, x, ndim=ndim, rng=0)
    assert check.verdict == "wrong"
    assert np.argwhere(check.differing).tolist() == [list(place)]
    assert str(check.diagnosis).startswith(f"1 entry is wrong, {place}")


def test_each_point_has_its_own_verdict() -> None:
    x = np.array([[0.0, 1.0], [1.0, 2.0], [3.0, 4.0]])
    factor = np.array([[1.0], [1.0], [1.03]])
    check = matgrad.check_gradient(
        lambda x: np.abs(x).sum(-1), lambda x: factor * np.sign(x), x, ndim=1, rng=0
    )
    assert check.verdict.tolist() == ["not differentiable", "right", "wrong"]


def test_errors_in_the_gradient_are_told_from_those_in_f() -> None:
    with pytest.raises(EvaluationError, match="check_gradient: gradient raised ZeroDivisionError"):
        matgrad.check_gradient(lambda x: x.sum(-1), lambda x: 1 // 0, np.ones(2), ndim=1)


def by_cholesky(X: Any) -> Any:
    return 2 * np.log(np.linalg.cholesky(X).diagonal(0, -2, -1)).sum(-1)


def positive_definite() -> Any:
    B = rng().normal(size=(3, 4, 4))
    return B @ np.swapaxes(B, -1, -2) + np.eye(4)


def test_symmetric_arguments_are_checked_in_either_convention() -> None:
    X = positive_definite()

    def free(X: Any) -> Any:
        G = np.linalg.inv(X)
        return 2 * G - G * np.eye(4)

    def verdict(gradient: Any, symmetric: Any) -> Any:
        check = matgrad.check_gradient(by_cholesky, gradient, X, ndim=2, symmetric=symmetric, rng=0)
        return set(check.verdict)

    assert verdict(np.linalg.inv, True) == {"right"}
    assert verdict(free, "free") == {"right"}
    assert verdict(np.linalg.inv, "free") == {"wrong"}
    assert verdict(free, True) == {"wrong"}


def test_other_conventions_are_refused() -> None:
    word: Any = "Free"
    with pytest.raises(ValueError, match=r"check_gradient knows symmetric=True.*; got 'Free'"):
        matgrad.check_gradient(by_cholesky, np.linalg.inv, np.eye(4), ndim=2, symmetric=word)


def test_gradient_at_a_symmetric_argument_must_be_symmetric() -> None:
    A = rng().normal(size=(3, 3))
    check = matgrad.check_gradient(
        lambda X: np.trace(A @ X, axis1=-2, axis2=-1), A.T, np.eye(3), ndim=2, symmetric=True
    )
    assert check.verdict == "wrong"
    assert "the symmetric part is missing" in str(check.diagnosis)


def test_functions_of_one_point_and_python_floats_are_checked() -> None:
    import math

    x = np.array([1e-3, 1.0, 1e3])
    check = matgrad.check_gradient(math.log, lambda x: 1 / x, x, ndim=0, vectorized=False, rng=0)
    assert check.ok.all(), check


def test_the_same_seed_gives_the_same_check() -> None:
    x = rng().normal(size=(4, 3))
    one, two = (
        matgrad.check_gradient(lambda x: np.sin(x).sum(-1), np.cos, x, ndim=1, rng=3)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.remainder, two.remainder)


def test_functions_of_several_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a scalar function; f has the shape \(3,\)"):
        matgrad.check_gradient(np.sin, np.cos, np.ones(3), ndim=1)


def test_arguments_need_entries_and_batches_points() -> None:
    with pytest.raises(ValueError, match=r"needs an argument with entries; got shape \(0,\)"):
        matgrad.check_gradient(lambda x: x.sum(-1), np.ones_like, np.ones((2, 0)), ndim=1)
    with pytest.raises(ValueError, match=r"needs at least one point; got the batch \(0,\)"):
        matgrad.check_gradient(lambda x: x.sum(-1), np.ones_like, np.ones((0, 2)), ndim=1)


def test_nan_at_the_point_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"f is nan at the point x = \[-1\.\]"):
        matgrad.check_gradient(
            lambda x: np.where(x < 0, np.nan, x).sum(-1), np.ones_like, [-1.0], ndim=1
        )


QUARTIC = rng().normal(size=(4, 4))


def quartic(x: Any) -> Any:
    return np.sum((x @ QUARTIC) ** 4, axis=-1)


def quartic_gradient(x: Any) -> Any:
    return 4 * (x @ QUARTIC) ** 3 @ QUARTIC.T


def quartic_hessian(x: Any) -> Any:
    return 12 * QUARTIC @ ((x @ QUARTIC)[..., None] ** 2 * QUARTIC.T)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_right_hessians_pass_with_slope_3(dtype: Any) -> None:
    x = rng().normal(size=(3, 4)).astype(dtype)
    check = matgrad.check_hessian(quartic, quartic_gradient, quartic_hessian, x, ndim=1, rng=0)
    assert check.ok.all(), check
    if dtype == np.float64:
        np.testing.assert_allclose(check.slope, 3, atol=0.3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_wrong_hessians_are_accused(dtype: Any) -> None:
    x = rng().normal(size=(3, 4)).astype(dtype)

    def skewed(x: Any) -> Any:
        H = quartic_hessian(x)
        H[..., 0, 1] *= 1.5
        H[..., 1, 0] *= 0.5
        return H

    def one(x: Any) -> Any:
        H = quartic_hessian(x)
        H[..., 2, 3] *= 1.03
        return H

    for hessian in (
        lambda x: 1.03 * quartic_hessian(x),
        lambda x: -quartic_hessian(x),
        skewed,
        one,
    ):
        check = matgrad.check_hessian(quartic, quartic_gradient, hessian, x, ndim=1, rng=0)
        assert np.all(check.verdict == "wrong"), check


def test_a_wrong_gradient_is_not_blamed_on_the_hessian() -> None:
    check = matgrad.check_hessian(
        quartic, lambda x: 2 * quartic_gradient(x), quartic_hessian, np.ones(4), ndim=1, rng=0
    )
    assert check.verdict == "wrong"
    assert check.diagnosis == "the gradient is wrong already"


def test_hessians_of_matrix_functions_have_four_axes() -> None:
    X = rng().normal(size=(2, 2))

    def hessian(X: Any) -> Any:
        G = np.linalg.inv(X)
        return -np.einsum("...jk,...li->...ijkl", G, G)

    assert matgrad.check_hessian(log_det, inverse_transposed, hessian, X, ndim=2, rng=0).ok
