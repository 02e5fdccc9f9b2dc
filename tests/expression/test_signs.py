"""Signs of products in programs."""

import numpy as np
import pytest

from matgrad import Oracle, parse
from matgrad.expression.builder import Extent
from matgrad.expression.lowering import lower
from matgrad.expression.program import Program

VARIABLES = (("A", Extent(3, 3)), ("x", Extent(3, 1)), ("y", Extent(3, 1)))


def program(*texts: str) -> Program:
    """Return the program of expressions in a matrix A and column vectors x and y."""
    return lower(tuple(map(parse, texts)), VARIABLES, ())


@pytest.mark.parametrize("text", ["-(x .* (A*y))", "-(A*(x .* sin(y)))", "-(sin(y) .* (x .* y))"])
def test_an_input_takes_the_sign_of_a_product(text: str) -> None:
    (negative,) = (each for each in program(text).instructions if each.operation == "negative")
    assert negative.operands in ((1,), (2,))


def test_products_with_one_input_share_its_negative() -> None:
    assert program("exp(-x .* (A*y)) + log(-x .* y)").count("negative") == 1


@pytest.mark.parametrize("texts", [["-(x .* y)", "x .* y"], ["-(x .* y)", "exp(x .* y)"]])
def test_a_product_that_others_read_keeps_its_sign(texts: list[str]) -> None:
    made = program(*texts)
    (negative,) = (each for each in made.instructions if each.operation == "negative")
    assert negative.operands[0] >= made.inputs


@pytest.mark.parametrize("text", ["-exp(x)", "-(A*x)", "-(exp(x) .* exp(y))", "-(-(x .* y) .* x)"])
def test_values_stay_the_same(text: str) -> None:
    rng = np.random.default_rng(0)
    arrays = {"A": rng.normal(size=(3, 3)), "x": rng.normal(size=3), "y": rng.normal(size=3)}
    expression = parse(text)
    given = {name: arrays[name] for name in expression.variables}
    np.testing.assert_array_equal(
        expression.evaluate(**given), -parse(text.removeprefix("-")).evaluate(**given)
    )


def test_a_constant_is_negated_once_for_all_points() -> None:
    rng = np.random.default_rng(1)
    X, y, w = rng.normal(size=(9, 3)), np.sign(rng.normal(size=9)), rng.normal(size=3)
    oracle = Oracle("sum(softplus(-y .* (X*w)))", "w", X=X, y=y)
    value, gradient = oracle.value_and_gradient(w)
    assert np.isclose(value, np.logaddexp(0, -y * (X @ w)).sum(), rtol=1e-14)
    np.testing.assert_allclose(gradient, -X.T @ (y / (1 + np.exp(y * (X @ w)))), rtol=1e-13)
