from typing import Any

import numpy as np
import pytest

import matgrad


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.mark.parametrize("factor", [1.0, 1.03, -1.0])
@pytest.mark.parametrize("distance", [0, 1e-16, 1e-15])
def test_kinks_are_no_mistakes(distance: Any, factor: Any) -> None:
    x = np.array([distance, 1e-4, -1e-4])
    check = matgrad.check_gradient(
        lambda x: np.abs(x).sum(axis=-1) + 1, lambda x: factor * np.sign(x), x, ndim=1, rng=0
    )
    assert check.verdict == "not differentiable"


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("distance", [1e-15, 1e-14, 1e-13, 1e-12, 1e-11])
def test_right_gradients_are_not_accused_as_near_to_a_kink_as_rounding_lets_see(
    distance: Any, seed: Any
) -> None:
    x = np.array([distance, 1.0, -2.0])
    check = matgrad.check_gradient(lambda x: np.abs(x).sum(axis=-1), np.sign, x, ndim=1, rng=seed)
    assert check.verdict in ("not differentiable", "right")


@pytest.mark.parametrize("distance", [1e-8, 1e-6, 1e-4, 1e-2])
def test_beside_a_kink_right_and_wrong_are_told_apart(distance: Any) -> None:
    x = np.array([distance, 1.0, -2.0])

    def f(x: Any) -> Any:
        return np.maximum(x, 0).sum(axis=-1)

    right = matgrad.check_gradient(f, lambda x: (x > 0).astype(float), x, ndim=1, rng=0)
    wrong = matgrad.check_gradient(f, lambda x: 1.03 * (x > 0), x, ndim=1, rng=0)
    assert right.ok
    assert wrong.verdict == "wrong"


def test_a_jump_is_not_called_a_mistake() -> None:
    check = matgrad.check_gradient(
        lambda x: np.heaviside(x, 0).sum(-1), np.zeros_like, np.zeros(2), ndim=1
    )
    assert check.verdict != "wrong"


@pytest.mark.parametrize("frequency", [0.1, 1.0, 10.0, 100.0, 1000.0])
def test_claims_that_long_steps_seem_to_confirm_are_wrong(frequency: Any) -> None:
    x = rng().uniform(-3, 3, (20, 3))

    def verdicts(factor: float) -> set[str]:
        check = matgrad.check_gradient(
            lambda x: np.sin(frequency * x).sum(-1),
            lambda x: factor * frequency * np.cos(frequency * x),
            x,
            ndim=1,
            rng=0,
        )
        return set(check.verdict)

    assert verdicts(0) == {"wrong"}  # over many periods f hardly changes
    assert verdicts(0.01) == {"wrong"}
    assert verdicts(1) == {"right"}


def test_slope_is_2_for_right_and_1_for_wrong_gradients() -> None:
    x = rng().normal(size=(5, 4))
    right = matgrad.check_gradient(lambda x: np.exp(x).sum(axis=-1), np.exp, x, ndim=1, rng=0)
    wrong = matgrad.check_gradient(
        lambda x: np.exp(x).sum(axis=-1), lambda x: 1.03 * np.exp(x), x, ndim=1, rng=0
    )
    np.testing.assert_allclose(right.slope, 2, atol=0.1)
    np.testing.assert_allclose(wrong.slope, 1, atol=0.05)


def test_affine_and_quadratic_functions_are_recognised() -> None:
    x = rng().normal(size=4)
    a = rng().normal(size=4)
    affine = matgrad.check_gradient(lambda x: x @ a + 1, lambda x: a + 0 * x, x, ndim=1)
    quadratic = matgrad.check_gradient(lambda x: (x * x).sum(-1), lambda x: 2 * x, x, ndim=1)
    neither = matgrad.check_gradient(lambda x: np.sin(x).sum(-1), np.cos, x, ndim=1)
    assert [int(check.order) for check in (affine, quadratic, neither)] == [1, 2, 0]


def test_stationary_points_and_constants_pass() -> None:
    x = np.zeros((2, 3))
    assert matgrad.check_gradient(
        lambda x: np.cos(x).sum(-1), lambda x: -np.sin(x), x, ndim=1
    ).ok.all()
    assert matgrad.check_gradient(lambda x: 0 * x[..., 0] + 7, np.zeros_like, x, ndim=1).ok.all()
    wrong = matgrad.check_gradient(lambda x: 0 * x[..., 0] + 7, np.ones_like, x, ndim=1)
    assert np.all(wrong.verdict == "wrong")


def test_a_slope_below_the_rounding_of_f_is_undecided() -> None:
    check = matgrad.check_gradient(
        lambda x: 1e20 + np.sin(x).sum(-1), np.cos, rng().normal(size=3), ndim=1, rng=0
    )
    assert check.verdict == "undecided"
    assert not check.ok
