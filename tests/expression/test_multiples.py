"""Coefficients and chains that expressions hide."""

import numpy as np
import pytest
from hypothesis import assume, given

from matgrad.expression import parse
from matgrad.expression.expression import Expression
from matgrad.expression.multiples import multiple
from matgrad.expression.nodes import Product, Quotient, Transpose
from tests.expression.strategies import arrays, expressions, is_measurable


@pytest.mark.parametrize(
    ("text", "negative", "above", "below", "chain"),
    [
        ("A", False, [], [], ["A"]),
        ("-(A*B/alpha)'", True, [], ["alpha"], ["B'", "A'"]),
        ("2*x'*A*x*B*C", False, ["2", "x'*A*x"], [], ["B", "C"]),
        ("x'*A*y", False, [], [], ["x'", "A", "y"]),
        ("alpha/beta*A*(-B)", True, ["alpha"], ["beta"], ["A", "B"]),
        ("B*(x'*y)*C", False, ["x'*y"], [], ["B", "C"]),
        ("(A + B)'*C", False, [], [], ["(A + B)'", "C"]),
        ("alpha*2/3", False, ["alpha", "2"], ["3"], []),
        ("(-(x'*y))*A", False, ["-x'*y"], [], ["A"]),
    ],
)
def test_an_expression_is_a_coefficient_times_a_chain(
    text: str, negative: bool, above: list[str], below: list[str], chain: list[str]
) -> None:
    parts = multiple(parse(text))
    factors = [Transpose(node) if transposed else node for node, transposed in parts.factors]
    assert parts.negative is negative
    assert [str(scalar) for scalar in parts.numerators] == above
    assert [str(scalar) for scalar in parts.denominators] == below
    assert [str(factor) for factor in factors] == chain


@given(expressions(shape=("n", "m")))
def test_a_multiple_put_together_again_has_the_same_value(expression: Expression) -> None:
    assume(is_measurable(expression))
    parts = multiple(expression)
    factors = (Transpose(node) if transposed else node for node, transposed in parts.factors)
    again = Product.of(*parts.numerators, *factors)
    for scalar in parts.denominators:
        again = Quotient(again, scalar)
    again = -again if parts.negative else again
    drawn = arrays(np.random.default_rng(3), expression, (2,))
    with np.errstate(all="ignore"):
        value = expression.evaluate(**drawn)
        if np.all(np.isfinite(value)) and np.max(np.abs(value)) < 1e4:
            np.testing.assert_allclose(again.evaluate(**drawn), value, rtol=1e-6, atol=1e-6)
