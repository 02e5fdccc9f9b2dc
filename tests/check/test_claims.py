from typing import Any

import numpy as np
import pytest

import matgrad


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def log_det(X: Any) -> Any:
    return np.linalg.slogdet(X)[1]


def inverse_transposed(X: Any) -> Any:
    return np.swapaxes(np.linalg.inv(X), -1, -2)


def test_numerator_layout_is_the_transpose() -> None:
    X, B = rng().normal(size=(2, 2, 3))

    def f(X: Any) -> Any:
        return np.sum(X * B, axis=(-1, -2))

    def check(gradient: Any, layout: Any) -> Any:
        return matgrad.check_gradient(f, gradient, X, ndim=2, layout=layout)

    assert check(lambda X: B.T + 0 * np.swapaxes(X, -1, -2), "numerator").ok
    assert check(B, "denominator").ok
    with pytest.raises(
        ValueError, match=r"shape \(2, 3\) at each point; got \(3, 2\); that is the"
    ):
        check(B.T, "denominator")


def test_numerator_layout_of_square_matrices_is_the_transpose_too() -> None:
    X = rng().normal(size=(5, 3, 3))

    def verdicts(gradient: Any, layout: Any) -> set[str]:
        check = matgrad.check_gradient(log_det, gradient, X, ndim=2, layout=layout, rng=0)
        return set(check.verdict)

    assert verdicts(np.linalg.inv, "numerator") == {"right"}
    assert verdicts(inverse_transposed, "numerator") == {"wrong"}


def test_numerator_layout_of_a_vector_is_a_row() -> None:
    x = rng().normal(size=(5, 3))
    check = matgrad.check_gradient(
        lambda x: (x * x).sum(-1), lambda x: 2 * x[..., None, :], x, ndim=1, layout="numerator"
    )
    assert check.ok.all()


def test_gradients_may_be_arrays() -> None:
    x = rng().normal(size=(4, 3))
    assert matgrad.check_gradient(lambda x: np.exp(x).sum(-1), np.exp(x), x, ndim=1).ok.all()
    with pytest.raises(ValueError, match=r"needs a gradient of shape \(3,\) at each point"):
        matgrad.check_gradient(lambda x: np.exp(x).sum(-1), x[0], x, ndim=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_arrays_must_be_finite(value: Any) -> None:
    x = np.ones((2, 3))
    gradient = 2 * x
    gradient[1, 2] = value
    with pytest.raises(ValueError, match=rf"a finite gradient; got {value} at point \(1,\)"):
        matgrad.check_gradient(lambda x: (x * x).sum(-1), gradient, x, ndim=1)


def test_functions_and_gradients_must_be_real() -> None:
    x = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        return (x * x).sum(-1)

    cases: list[tuple[Any, Any, str]] = [
        (lambda x: f(x) + 1j, lambda x: 2 * x, "f; got dtype complex128"),
        (f, lambda x: 2 * x + 5j, "gradient; got dtype complex128"),
        (f, 2 * x + 5j, "gradient; got dtype complex128"),
        (f, ["2", "4"], "gradient; got dtype <U1"),
    ]
    for function, gradient, sentence in cases:
        with pytest.raises(TypeError, match=f"check_gradient needs real numbers from {sentence}"):
            matgrad.check_gradient(function, gradient, x, ndim=1)
    with pytest.raises(TypeError, match="needs real numbers from hessian"):
        matgrad.check_hessian(f, lambda x: 2 * x, 2j * np.eye(2), x, ndim=1)
