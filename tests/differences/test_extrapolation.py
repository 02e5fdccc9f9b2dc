import math
from typing import Any

import mpmath
import numpy as np
import pytest

import matgrad
from matgrad.differences import EvaluationError


def rng() -> np.random.Generator:
    return np.random.default_rng(6)


def decades(r: np.random.Generator, low: float, high: float) -> np.ndarray:
    return 10.0 ** r.uniform(low, high, 100)


# The 20 functions, with points spread over the scales that each is known to be hard at.
SMOOTH: dict[str, tuple[Any, Any, Any]] = {
    "sin": (np.sin, mpmath.sin, lambda r: 3 * r.normal(size=100)),
    "sine of large arguments": (np.sin, mpmath.sin, lambda r: decades(r, 2, 8)),
    "cosine of small ones": (np.cos, mpmath.cos, lambda r: decades(r, -8, 0)),
    "exp": (np.exp, mpmath.exp, lambda r: 5 * r.normal(size=100)),
    "log": (np.log, mpmath.log, lambda r: decades(r, -8, 8)),
    "sqrt": (np.sqrt, mpmath.sqrt, lambda r: decades(r, -8, 8)),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x, lambda r: decades(r, -8, 8)),
    "square": (lambda x: x * x, lambda x: x * x, lambda r: decades(r, -8, 8)),
    "cubic": (lambda x: x**3 - 3 * x, lambda x: x**3 - 3 * x, lambda r: r.normal(size=100)),
    "cubic at a root": (
        lambda x: x**3 - 3 * x,
        lambda x: x**3 - 3 * x,
        lambda r: np.sqrt(3) + 1e-6 * r.normal(size=100),
    ),
    "tanh": (np.tanh, mpmath.tanh, lambda r: r.normal(size=100)),
    "steep tanh": (
        lambda x: np.tanh(1e6 * x),
        lambda x: mpmath.tanh(10**6 * x),
        lambda r: 1e-6 * r.normal(size=100),
    ),
    "gauss": (
        lambda x: np.exp(-x * x),
        lambda x: mpmath.exp(-x * x),
        lambda r: 2 * r.normal(size=100),
    ),
    "runge": (
        lambda x: 1 / (1 + 25 * x * x),
        lambda x: 1 / (1 + 25 * x * x),
        lambda r: r.uniform(-1, 1, 100),
    ),
    "softplus": (
        lambda x: np.logaddexp(0, x),
        lambda x: mpmath.log(1 + mpmath.exp(x)),
        lambda r: 5 * r.normal(size=100),
    ),
    "arctan": (np.arctan, mpmath.atan, lambda r: decades(r, -8, 8)),
    "x log x": (lambda x: x * np.log(x), lambda x: x * mpmath.log(x), lambda r: decades(r, -8, 8)),
    "small on large": (
        lambda x: 1e8 + np.sin(x),
        lambda x: 10**8 + mpmath.sin(x),
        lambda r: r.normal(size=100),
    ),
    "chirp": (
        lambda x: np.sin(1 / x),
        lambda x: mpmath.sin(1 / x),
        lambda r: decades(r, -3, 3),
    ),
    "power": (lambda x: x**2.5, lambda x: x ** mpmath.mpf(2.5), lambda r: decades(r, -8, 8)),
}


def exact_derivative(f: Any, x: np.ndarray) -> np.ndarray:
    with mpmath.workdps(40):
        return np.array([float(mpmath.diff(f, mpmath.mpf(float(t)), h=t * 1e-18)) for t in x])


def test_adaptive_errors_are_within_their_estimates() -> None:
    within = []
    for f, exact, points in SMOOTH.values():
        x = points(rng())
        J, info = matgrad.jacobian(f, x, ndim=0, method="adaptive", full_output=True)
        within.append(np.abs(J - exact_derivative(exact, x)) <= info.error)
    assert len(SMOOTH) == 20
    assert np.mean(within) >= 0.99


def test_adaptive_leaves_the_domain_only_to_come_back() -> None:
    x = np.array([1e-8, 1.0, 1e8])
    for f, vectorized in ((np.log, True), (math.log, False)):
        J = matgrad.jacobian(f, x, ndim=0, method="adaptive", vectorized=vectorized)
        np.testing.assert_allclose(J, 1 / x, rtol=1e-11)


# Steps of the size of x see whole periods of these, or nothing of them at all.
UNSEEN: dict[str, tuple[Any, Any, Any]] = {
    "whole periods": (
        lambda x: np.sin(2 * np.pi * x),
        lambda x: 2 * np.pi * np.cos(2 * np.pi * x),
        [0.3, 4.3, -29.7],
    ),
    "many in the first step": (
        lambda x: np.cos(512 * np.pi * x),
        lambda x: -512 * np.pi * np.sin(512 * np.pi * x),
        [0.3, 4.3],
    ),
    "narrow peak": (
        lambda x: np.exp(-1e4 * x * x),
        lambda x: -2e4 * x * np.exp(-1e4 * x * x),
        [0.0201, -0.007],
    ),
    "narrow resonance": (
        lambda x: 1 / (1 + 1e8 * x * x),
        lambda x: -2e8 * x / (1 + 1e8 * x * x) ** 2,
        [2e-4],
    ),
    "near a pole": (lambda x: 1 / x, lambda x: -1 / x**2, [-1.08e-8, 3e-7]),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_adaptive_steps_that_agree_on_no_derivative_are_found_out(name: Any) -> None:
    f, derivative, points = UNSEEN[name]
    for x in (np.array(points), *map(np.array, points)):
        J, info = matgrad.jacobian(f, x, ndim=0, method="adaptive", full_output=True)
        np.testing.assert_allclose(J, derivative(x), rtol=1e-9)
        assert np.all(np.abs(J - derivative(x)) <= info.error)
        assert info.nfev < 90


def test_rounding_that_grows_towards_x_is_no_slope() -> None:
    x = 10.0 ** np.arange(-14.0, -3)
    for t in x:  # one by one: others' shorter steps would not let the first ones stand
        J, info = matgrad.jacobian(
            lambda x: (np.exp(x) - 1) / x, t, ndim=0, method="adaptive", full_output=True
        )
        assert abs(J - 0.5 - t / 3) <= max(info.error, t * t)
        assert info.error < 1e-3


@pytest.mark.parametrize("x", [-1e-2, -3e-2, -1e-4])
@pytest.mark.parametrize("slope", [1.0, -3.0, 1e6])
def test_beside_a_kink_a_flat_part_is_flat(x: float, slope: float) -> None:
    J, info = matgrad.jacobian(
        lambda x: slope * np.maximum(x, 0), np.array([x]), ndim=0, method="adaptive",
        full_output=True,
    )  # fmt: skip
    assert J == info.error == 0


@pytest.mark.parametrize("digits", [4, 6, 9])
def test_functions_that_are_rounded_have_a_slope_between_the_steps(digits: int) -> None:
    x = np.linspace(0.1, 1.4, 50)
    J, info = matgrad.jacobian(
        lambda x: np.round(np.sin(x), digits), x, ndim=0, method="adaptive", full_output=True
    )
    assert (np.abs(J - np.cos(x)) <= info.error).all()
    assert (info.error < 0.2).all()


def test_functions_that_saturate_have_derivatives_of_their_rounding() -> None:
    J, info = matgrad.jacobian(
        np.tanh, np.array([25.0]), ndim=0, method="adaptive", full_output=True
    )
    assert np.abs(J) <= info.error + 1e-20
    assert info.error < 1e-12


def test_derivatives_that_are_zero_are_zero() -> None:
    J, info = matgrad.jacobian(
        lambda x: x[..., 0] ** 2, np.array([1.0, 2.0]), ndim=1, method="adaptive", full_output=True
    )
    assert J[1] == 0
    assert info.error[1] < 1e-12


def test_the_largest_step_can_be_given() -> None:
    _, info = matgrad.jacobian(
        np.exp, np.zeros(3), ndim=0, method="adaptive", step=2.0**-6, full_output=True
    )
    assert np.all(info.step <= 2.0**-6)


def test_a_function_defined_at_one_point_alone_has_no_derivative() -> None:
    with pytest.raises(EvaluationError, match="no step at which f is finite around the point"):
        matgrad.jacobian(
            lambda x: np.where(x == 1, 1.0, np.nan), np.array(1.0), ndim=0, method="adaptive"
        )
