"""softplus and sigmoid of the same matrix in a program."""

import numpy as np
import pytest

from matgrad import Oracle, parse
from matgrad.expression.builder import Extent
from matgrad.expression.lowering import lower
from matgrad.expression.program import Program


def program(*texts: str) -> Program:
    """Return the program of expressions in column vectors x and y of length 3."""
    column = Extent(3, 1)
    return lower(tuple(map(parse, texts)), (("x", column), ("y", column)), ())


def test_a_function_and_its_derivative_come_together() -> None:
    both = program("sum(softplus(x .* y))", "y .* sigmoid(x .* y)")
    assert both.count("softplus_and_sigmoid") == 1
    assert both.count("softplus") + both.count("sigmoid") == 0


@pytest.mark.parametrize("texts", [["softplus(x)", "sigmoid(y)"], ["softplus(x)"], ["sigmoid(x)"]])
def test_of_different_matrices_they_stay_apart(texts: list[str]) -> None:
    assert program(*texts).count("softplus_and_sigmoid") == 0


def test_the_value_and_the_gradient_are_right() -> None:
    x = np.array([[-2.0, 0.0, 3.0], [1.0, -40.0, 40.0]])
    value, gradient = Oracle("sum(softplus(x))", "x").value_and_gradient(x)
    np.testing.assert_allclose(value, np.logaddexp(0, x).sum(-1), rtol=1e-15)
    np.testing.assert_allclose(gradient, 1 / (1 + np.exp(-x)), rtol=1e-15)
