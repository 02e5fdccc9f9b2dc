"""softplus and sigmoid of the same matrix in a program."""

from typing import Any

import numpy as np
import pytest

from matgrad import Oracle, parse
from matgrad.expression.builder import Extent
from matgrad.expression.executor import prepare
from matgrad.expression.lowering import lower
from matgrad.expression.program import Program


def program(*texts: str) -> Program:
    """Return the program of expressions in column vectors x and y of length 3."""
    column = Extent(3, 1)
    return lower(tuple(map(parse, texts)), (("x", column), ("y", column)), ())


def test_a_function_and_its_derivative_come_together() -> None:
    both = program("sum(softplus(x + y))", "y .* sigmoid(x + y)")
    assert both.count("softplus_and_sigmoid") == 1
    assert both.count("softplus") + both.count("sigmoid") == 0


FACTORS = [
    ("softplus(x .* y)", "y .* sigmoid(x .* y)"),
    ("softplus(y .* x)", "sigmoid(y .* x) .* y"),
    ("softplus(2*x)", "2*sigmoid(2*x)"),
    ("softplus(x .* x)", "x .* sigmoid(x .* x)"),
]
NO_FACTORS = [
    ("softplus(x .* y)", "sigmoid(x .* y)"),
    ("softplus(x .* y)", "y .* sigmoid(x .* y) + sigmoid(x .* y)"),
    ("softplus(x .* y) + x .* y", "y .* sigmoid(x .* y)"),
    ("softplus(x + y)", "y .* sigmoid(x + y)"),
]


@pytest.mark.parametrize("texts", FACTORS)
def test_a_factor_of_both_is_taken_with_them(texts: tuple[str, str]) -> None:
    both = program(*texts)
    assert [each.operation for each in both.instructions if each.operation != "number"] == [
        "softplus_and_derivative"
    ]


@pytest.mark.parametrize("texts", NO_FACTORS)
def test_a_factor_that_others_need_stays_apart(texts: tuple[str, str]) -> None:
    both = program(*texts)
    assert both.count("softplus_and_sigmoid") == 1
    assert both.count("softplus_and_derivative") == 0


@pytest.mark.parametrize("texts", [*FACTORS, *NO_FACTORS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("batch", [(), (40,)])
def test_programs_have_the_bits_of_their_expressions(
    texts: tuple[str, str], dtype: Any, batch: tuple[int, ...]
) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, *batch, 3, 1)).astype(dtype)
    run = prepare(program(*texts), np.dtype(dtype))
    given = {"x": x[..., 0], "y": y[..., 0]}
    for found, text in zip(run([x, y]), texts, strict=True):
        expression = parse(text)
        wanted = expression.evaluate(**{name: given[name] for name in expression.variables})
        np.testing.assert_array_equal(found[..., 0], wanted)


@pytest.mark.parametrize("texts", [["softplus(x)", "sigmoid(y)"], ["softplus(x)"], ["sigmoid(x)"]])
def test_of_different_matrices_they_stay_apart(texts: list[str]) -> None:
    assert program(*texts).count("softplus_and_sigmoid") == 0


def test_the_value_and_the_gradient_are_right() -> None:
    x = np.array([[-2.0, 0.0, 3.0], [1.0, -40.0, 40.0]])
    value, gradient = Oracle("sum(softplus(x))", "x").value_and_gradient(x)
    np.testing.assert_allclose(value, np.logaddexp(0, x).sum(-1), rtol=1e-15)
    np.testing.assert_allclose(gradient, 1 / (1 + np.exp(-x)), rtol=1e-15)
