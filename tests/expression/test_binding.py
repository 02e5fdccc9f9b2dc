"""Arrays that do not fit are refused in a sentence that says which, and why."""

import re
from typing import Any

import numpy as np
import pytest

from matgrad.expression import parse
from matgrad.expression.evaluation import evaluate

ones = np.ones


@pytest.mark.parametrize(
    ("text", "arrays", "message"),
    [
        ("tr(A*X)", {"A": ones((2, 2))}, "tr(A*X) needs an array for X"),
        ("tr(A)", {"A": ones((2, 2)), "B": 1}, "tr(A) has no variable B; it takes A"),
        ("2*3", {"x": 1}, "2*3 has no variable x; it takes nothing"),
        (
            "tr(A)",
            {"A": ones((2, 2), np.float16)},
            "tr(A): A has dtype float16; supported are float32, float64, complex64, complex128, "
            "integers and bool",
        ),
        ("tr(A)", {"A": [["a"]]}, "tr(A): A has dtype <U1"),
        ("tr(A)", {"A": np.array([[None]])}, "tr(A): A has dtype object"),
    ],
)
def test_arrays_that_are_none_raise_a_type_error(
    text: str, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        parse(text).evaluate(**arrays)


@pytest.mark.parametrize(
    ("text", "arrays", "message"),
    [
        (
            "tr(A*X)",
            {"A": ones((3, 4)), "X": ones((5, 3))},
            "tr(A*X) needs X of shape (..., m, n) where m = 4 as in A and n = 3 as in A; "
            "got (5, 3)",
        ),
        ("det(X)", {"X": ones((2, 3))}, "det(X) needs X of shape (..., n, n); got (2, 3)"),
        (
            "A*x",
            {"A": ones((2, 3)), "x": 1.0},
            "A*x needs x of shape (..., m) where m = 3 as in A; got ()",
        ),
        ("tr(A)", {"A": ones(3)}, "tr(A) needs A of shape (..., n, n); got (3,)"),
        (
            "A*ones(3)",
            {"A": ones((2, 4))},
            "A*ones(3) needs A of shape (..., n, 3); got (2, 4)",
        ),
        (
            "alpha*x",
            {"alpha": ones(3), "x": ones((2, 5))},
            "alpha*x: the batches do not broadcast: (3,) of alpha, (2,) of x",
        ),
        (
            "vec(X)'*y",
            {"X": ones((2, 3)), "y": ones(5)},
            "vec(X)'*y needs y of shape (..., m*n) where m = 3 as in X and n = 2 as in X; got (5,)",
        ),
        (
            "vec(X)'*kron(a, b)",
            {"X": ones((2, 3)), "a": ones(2), "b": ones(4)},
            "vec(X)'*kron(a, b) needs m*n = k*l; got 6 and 8",
        ),
        ("tr(I)", {}, "tr(I): no array shows the size of I(n)"),
        ("x'*x", {"x": [[1.0], [1.0, 2.0]]}, "x'*x: x is not an array"),
    ],
)
def test_shapes_that_do_not_fit_raise_a_value_error(
    text: str, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text).evaluate(**arrays)


def test_a_vector_may_come_before_the_matrix_that_measures_it() -> None:
    f = parse("y'*vec(X)")
    X = np.arange(6.0).reshape(2, 3)
    assert f.evaluate(y=X.T.ravel(), X=X) == np.sum(X**2)


def test_a_model_measures_what_the_expression_does_not_show() -> None:
    (gradient,) = evaluate((parse("I"),), {"X": ones((4, 3, 3))}, like=(parse("X"),))
    np.testing.assert_array_equal(gradient, np.eye(3))
    with pytest.raises(TypeError, match="I needs an array for X"):
        evaluate((parse("I"),), {}, like=(parse("X"),))


@pytest.mark.parametrize(
    ("arrays", "dtype"),
    [
        ({"A": np.float32, "x": np.float32}, np.float32),
        ({"A": np.float32, "x": np.float64}, np.float64),
        ({"A": np.int32, "x": np.float32}, np.float64),
        ({"A": np.bool_, "x": np.uint8}, np.float64),
        ({"A": np.complex64, "x": np.float32}, np.complex64),
        ({"A": np.complex64, "x": np.float64}, np.complex128),
    ],
)
def test_results_have_the_common_dtype(arrays: dict[str, Any], dtype: Any) -> None:
    A, x = ones((2, 2), arrays["A"]), ones(2, arrays["x"])
    assert parse("2*A*x/3 + 0.5*x").evaluate(A=A, x=x).dtype == dtype


@pytest.mark.parametrize("number", [2, 2.0, True, 10**20])
def test_numbers_of_python_leave_float32_alone(number: float) -> None:
    x = ones(3, np.float32)
    assert parse("alpha*x + 1/3*x").evaluate(alpha=number, x=x).dtype == np.float32
    assert parse("alpha*x").evaluate(alpha=2j, x=x).dtype == np.complex64
    assert parse("alpha*x").evaluate(alpha=np.float64(2), x=x).dtype == np.float64
    assert parse("alpha^2").evaluate(alpha=number).dtype == np.float64
