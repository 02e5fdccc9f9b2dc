"""Expressions as programs: what is common is computed once."""

import time

import pytest

from matgrad.expression import parse
from matgrad.expression.functions import FUNCTIONS
from tests.expression.programs import program_of


def test_common_expressions_are_computed_once() -> None:
    program = program_of("exp(A*x) .* exp(A*x) + exp(A*x)")
    assert program.count("exp") == 1
    assert program.count("product") == 1


def test_expressions_of_one_program_share_what_they_have_in_common() -> None:
    program = program_of("logdet(X) + tr(A*inv(X))", "inv(X)' - (inv(X)*A*inv(X))'")
    assert program.count("factorise") == 1
    assert len(program.outputs) == 2


def test_a_value_uses_what_its_gradient_has_computed() -> None:
    program = program_of("x'*A*x", "(A + A')*x")
    together = program.count("product")
    assert together == program_of("(A + A')*x").count("product") + 1
    program = program_of("(A*x - b)'*(A*x - b)", "2*A'*(A*x - b)")
    assert program.count("product") == 3


def test_the_square_of_a_norm_has_no_root() -> None:
    assert [each.operation for each in program_of("norm(X)^2").instructions] == ["squared_norm"]
    assert [each.operation for each in program_of("norm(X)").instructions] == ["norm"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vec(x)", []),
        ("vec(x')", []),
        ("vec(A)", ["vec"]),
        ("diag(A)", ["diagonal"]),
        ("diag(x)", ["diagonal_matrix"]),
        ("diag(x')", ["diagonal_matrix"]),
        ("diag(alpha) + vec(beta)", ["add"]),
        ("A^0", ["number", "matrix_power"]),
        ("x + ones(n)", ["fill", "add"]),
    ],
)
def test_rearrangements_are_what_they_must_be(text: str, expected: list[str]) -> None:
    assert [each.operation for each in program_of(text).instructions] == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_program(name: str) -> None:
    arguments = ", ".join("AB"[: FUNCTIONS[name].arity])
    assert program_of(f"{name}({arguments})").instructions


def test_two_equal_constants_of_different_sizes_are_two_values() -> None:
    program = program_of("sum(A + I) + sum(B + I)", sizes={"n": 3, "m": 4})
    assert program.count("identity") == 2


def test_an_expression_of_fifty_operations_is_lowered_at_once() -> None:
    text = " + ".join(f"tr(A*X*B{k}*X'*inv(C{k})*X)*x'*B{k}*x" for k in range(6))
    f = parse(text)
    assert sum(1 for _ in f.walk()) > 50
    start = time.process_time()
    program_of(text)
    assert time.process_time() - start < 1
