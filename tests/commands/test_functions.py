from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import approx_fprime

from matgrad.commands.errors import UsageError
from matgrad.commands.functions import FUNCTIONS, Function, find

Array = npt.NDArray[Any]

LENGTHS = {"n": 3, "m": 4}


def draw(function: Function, batch: tuple[int, ...] = ()) -> dict[str, Array]:
    """Draw variables; a square X has a positive determinant."""
    rng = np.random.default_rng(1)
    arrays = {
        name: rng.standard_normal((*batch, *(LENGTHS[axis] for axis in axes)))
        for name, axes in function.axes.items()
    }
    if arrays["X"].shape[-2] == arrays["X"].shape[-1]:
        arrays["X"] = arrays["X"] @ arrays["X"].mT
    return arrays


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.text)
def test_the_gradient_is_the_slope_of_the_value(function: Function) -> None:
    arrays = draw(function)
    X = arrays.pop("X")

    def value(x: Array) -> float:
        return float(function.value_and_gradient(X=x.reshape(X.shape), **arrays)[0])

    gradient = function.value_and_gradient(X=X, **arrays)[1]
    assert gradient.shape == X.shape
    slopes = approx_fprime(X.ravel(), value).reshape(X.shape)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("det(X)", lambda X: np.linalg.det(X)),
        ("logdet(X)", lambda X: np.linalg.slogdet(X)[1]),
        ("tr(X)", lambda X: np.trace(X)),
        ("tr(A*X)", lambda A, X: np.trace(A @ X)),
        ("tr(X*A*X'*Q)", lambda X, A, Q: np.trace(X @ A @ X.T @ Q)),
    ],
)
def test_the_value_is_what_the_text_says(text: str, expected: Any) -> None:
    arrays = draw(find(text))
    value = find(text).value_and_gradient(**arrays)[0]
    np.testing.assert_allclose(value, expected(**arrays), rtol=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.text)
def test_a_batch_is_computed_point_by_point(function: Function) -> None:
    arrays = draw(function, batch=(5,))
    values, gradients = function.value_and_gradient(**arrays)
    gradients = np.broadcast_to(gradients, arrays["X"].shape)
    for k in range(5):
        value, gradient = function.value_and_gradient(**{n: X[k] for n, X in arrays.items()})
        assert np.array_equal(values[k], value)
        assert np.array_equal(gradients[k], gradient)


def test_logdet_is_the_logarithm_of_the_absolute_value() -> None:
    X = np.array([np.diag([1.0, -2.0]), [[0.0, 3.0], [1.0, 5.0]], np.eye(2), np.zeros((2, 2))])
    with np.errstate(invalid="ignore"):
        value, gradient = find("logdet(X)").value_and_gradient(X=X)
    np.testing.assert_allclose(value, np.linalg.slogdet(X)[1])
    np.testing.assert_allclose(gradient[:3], np.linalg.inv(X[:3]).mT)
    assert np.isnan(gradient[3]).all()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.text)
def test_white_space_does_not_matter(function: Function) -> None:
    assert find(" " + " \t".join(function.text) + "\n") is function


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected an operand"),
        ("X", "X is no scalar"),
        ("det(Y)", r"det\(Y\) has no variable X; it has Y; --wrt names the variable"),
        ("trace(X)", "there is no function trace"),
        ("trace-produkt", "there is no formula 'trace-produkt'; the nearest are trace-product"),
        ("tr(A*expm(X))", r"expm\(X\) is a series"),
    ],
)
def test_what_is_no_function_is_told_in_one_line(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        find(text)
    assert "\n" not in str(refusal.value)


def test_any_scalar_expression_is_a_function() -> None:
    function = find("norm(A*x - b)^2", "x")
    assert function.axes == {"A": ("n", "m"), "x": ("m",), "b": ("n",)}
    rng = np.random.default_rng(3)
    A, x, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), rng.normal(size=4)
    value, gradient = function.value_and_gradient(A=A, x=x, b=b)
    np.testing.assert_allclose(value, ((x @ A.T - b) ** 2).sum(axis=-1))
    np.testing.assert_allclose(gradient, 2 * (x @ A.T - b) @ A)


def test_a_difference_with_its_variable_is_no_id() -> None:
    function = find("alpha-beta", "alpha")
    value, gradient = function.value_and_gradient(alpha=np.array(3.0), beta=np.array(1.0))
    assert value == 2
    assert gradient == 1


def test_names_may_be_declared() -> None:
    function = find("tr(S*A)", "S", {"symmetric": ("S",)})
    A = np.array([[1.0, 2.0], [4.0, 3.0]])
    np.testing.assert_allclose(function.value_and_gradient(S=np.eye(2), A=A)[1], (A + A.T) / 2)


def test_a_formula_has_a_gradient_by_each_of_its_variables() -> None:
    rng = np.random.default_rng(4)
    x, A = rng.normal(size=3), rng.normal(size=(3, 3))
    for wrt, expected in {None: (A + A.T) @ x, "x": (A + A.T) @ x, "A": np.outer(x, x)}.items():
        function = find("quadratic-form", wrt)
        value, gradient = function.value_and_gradient(x=x, A=A)
        np.testing.assert_allclose(value, x @ A @ x)
        np.testing.assert_allclose(gradient, expected)
    with pytest.raises(UsageError, match="has no variable X; it has x, A"):
        find("quadratic-form", "X")


def test_what_a_formula_says_of_its_names_is_not_declared_anew() -> None:
    with pytest.raises(UsageError, match=r"quadratic-form says itself .*; got names for symmetric"):
        find("quadratic-form", declared={"symmetric": ("A",)})
