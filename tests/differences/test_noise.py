from typing import Any

import numpy as np
import pytest

from matgrad.differences.noise import rounding_noise


def noise_of(f: Any, x: Any) -> Any:
    return rounding_noise(f, x, np.arange(x.shape[1]))


X = np.random.default_rng(0).normal(size=(20, 5)) + 3


@pytest.mark.parametrize("level", [1e-14, 1e-10, 1e-6])
def test_added_noise_is_measured(level: Any) -> None:
    rng = np.random.default_rng(1)

    def f(x: Any) -> Any:
        exact = np.sum(np.sin(x), axis=-1)
        return exact + level * rng.normal(size=exact.shape)

    measured = noise_of(f, X)
    assert 0.5 < np.median(measured) / level < 2
    assert np.all((measured > 0.2 * level) & (measured < 5 * level))


def test_smooth_functions_have_noise_of_their_rounding() -> None:
    measured = noise_of(lambda x: np.sum(np.sin(x), axis=-1), X)
    assert np.all(measured < 1e-14)
    assert np.median(measured) > 1e-17


def test_sums_with_large_terms_have_the_noise_of_those() -> None:
    measured = noise_of(lambda x: np.sum(x, axis=-1) + 1e8 - 1e8, X)
    assert np.median(measured) > 1e-9


def test_single_precision_inside_a_function_is_found() -> None:
    measured = noise_of(lambda x: np.sum(np.sin(x.astype(np.float32)), axis=-1).astype(float), X)
    assert np.median(measured) > 1e-8


@pytest.mark.parametrize("digits", [3, 5, 7])
def test_functions_that_are_rounded_have_the_noise_of_that(digits: Any) -> None:
    measured = noise_of(lambda x: np.round(np.sum(np.sin(x), axis=-1), digits), X)
    uniform = 10.0**-digits / np.sqrt(12)
    assert 0.5 < np.median(measured) / uniform < 2
    assert np.all(measured > 0.2 * uniform)


def test_functions_that_do_not_depend_on_x_have_none() -> None:
    assert np.all(noise_of(lambda x: 0 * x[..., 0] + 7.0, X) == 0)


def test_linear_functions_of_whole_numbers_have_none() -> None:
    assert np.all(noise_of(lambda x: 2 * x[..., 0], X) < 1e-25)
