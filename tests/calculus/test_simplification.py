"""Simplification: the same values, in the form of a textbook."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from matgrad import Oracle, parse
from matgrad.calculus.simplification import simplify
from matgrad.expression.evaluation import evaluate
from matgrad.expression.expression import Expression
from tests.expression.strategies import arrays, expressions, is_measurable


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("X''", "X"),
        ("(A*B)'", "B'*A'"),
        ("A + A", "2*A"),
        ("A*x + A'*x", "(A + A')*x"),
        ("0*A + B", "B"),
        ("A*I*B", "A*B"),
        ("inv(A)*A*B", "B"),
        ("inv(inv(A))", "A"),
        ("X*X^2*inv(X)", "X^2"),
        ("det(X)*inv(X)'/det(X)", "inv(X)'"),
        ("adj(X)'/det(X)", "inv(X)'"),
        ("2*A*adj(X)*X*B/det(X)^2", "2*A*B/det(X)"),
        ("adj(X)*det(X)^0.5", "det(X)^(1/2)*adj(X)"),
        ("(A*adj(X) + adj(X)*B)/det(X')", "A*inv(X) + inv(X)*B"),
        ("(adj(X) + B)/det(X)", "(adj(X) + B)/det(X)"),
        ("y'*A'*x - x'*A*y", "0"),
        ("tr(A*B*C) - tr(C'*B'*A')", "0"),
        ("2*(A + B)*x/4", "(A + B)*x/2"),
        ("alpha*x/alpha^2", "x/alpha"),
        ("(A - B)*x - (B - A)*x", "2*(A - B)*x"),
        ("kron(x, y')", "x*y'"),
        ("x*(y'*z)", "y'*z*x"),
        ("-(y - X*w)'*X + y'*X", "w'*X'*X"),
        ("B*A*x + C*A*x", "(B + C)*A*x"),
        ("1*A", "A"),
        ("0.5*A + 0.5*A", "A"),
        ("ones(n)*ones(m)'*A", "ones*A"),
    ],
)
def test_an_expression_gets_its_textbook_form(text: str, simple: str) -> None:
    assert str(simplify(parse(text))) == simple


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("1e30*x", "1e+30*x"),
        ("2^53*x + 2^53*x", "1.8014398509481984e+16*x"),
        ("1e200*1e200*x", "1e+150*1e+250*x"),
        ("x/1e200/1e200", "x/(1e+150*1e+250)"),
        ("0.1*1e200*1e200*x", "1e+150*1.0000000000000001e+249*x"),
        ("x/1e-200/1e-200", "1e+150*1e+250*x"),
        ("(1e200)^2*x", "1e+200^2*x"),
        ("1e200*x - 1e200*x", "1e200*x - 1e200*x"),
    ],
)
def test_large_coefficients_are_written_as_floats(text: str, simple: str) -> None:
    assert str(simplify(parse(text))) == str(parse(simple))
    assert simplify(parse(simple)) == parse(simple)


@pytest.mark.parametrize(
    ("text", "simple", "structure"),
    [
        ("S'*x + S*x", "2*S*x", "symmetric"),
        ("inv(X'*S*X)' + inv(X'*S*X)", "2*inv(X'*S*X)", "symmetric"),
        ("S'*S*A", "A", "orthogonal"),
        ("inv(S)*A", "S'*A", "orthogonal"),
    ],
)
def test_structures_are_used(text: str, simple: str, structure: str) -> None:
    assert str(simplify(parse(text, **{structure: "S"}))) == simple


@pytest.mark.parametrize("text", ["sum(X^5)", "norm(X^8)^2", "x'*X^9*y", "sum((X^-2)^-2)"])
def test_sums_of_many_products_are_joined_before_anybody_tires(text: str) -> None:
    """All ways to join them would take for ever."""
    arrays = {"x": np.ones(2), "y": np.array([1.0, -2.0]), "X": np.array([[1.0, 0.1], [0.2, 0.9]])}
    constants: Any = {name: arrays[name] for name in "xy" if name in text}
    oracle = Oracle(text, "X", **constants)
    direction = np.array([[0.3, -1.0], [0.5, 0.2]])
    around = [oracle.gradient(arrays["X"] + step * direction) for step in (1e-5, -1e-5)]
    expected = (around[0] - around[1]) / 2e-5
    scale = np.abs(expected).max()
    np.testing.assert_allclose(oracle.hessp(arrays["X"], direction), expected, atol=1e-7 * scale)


def test_the_way_of_writing_that_comes_first_is_kept() -> None:
    assert str(simplify(parse("(y - X*w)*alpha + (X*w - y)*beta"))).count("y - X*w") >= 1


def test_a_matrix_that_proves_to_be_zero_keeps_its_shape() -> None:
    zero = parse("inv(inv(zeros(n)*zeros(1, n)))*A")
    assert str(simplify(zero)) == "zeros(n)*zeros(1, n)*A"
    assert str(simplify(zero, parse("zeros(n, m)"))) == "zeros(n, m)"
    assert str(simplify(parse("x'*inv(inv(zeros(n)*zeros(1, n)))*x"))) == "0"


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(expressions(depth=4))
def test_a_simplified_expression_has_the_same_value(expression: Expression) -> None:
    if not (expression.variables and is_measurable(expression)):
        return
    simple = simplify(expression)
    assert parse(str(simple), **simple.declarations) == simple
    values = arrays(np.random.default_rng(8), expression, ())
    variables = tuple(expression.variables.values())
    with np.errstate(all="ignore"):
        expected = evaluate((expression,), values)[0]
        found = evaluate((simple, *variables), values, (expression,))[0]
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    if np.isfinite(scale) and scale < 1e8:
        np.testing.assert_allclose(
            np.broadcast_to(found, expected.shape), expected, rtol=1e-6, atol=1e-7 * scale
        )
