"""Where coefficients are applied, and what a sum of elements need not form."""

import numpy as np
import pytest

from matgrad.expression import parse
from tests.expression.programs import program_of


def operations(text: str, **sizes: int) -> list[str]:
    """Return the operations of a program in their order."""
    return [each.operation for each in program_of(text, sizes=sizes).instructions]


def test_a_coefficient_multiplies_a_vector_rather_than_a_matrix() -> None:
    program = program_of("3*x*y'")
    assert program.instructions[-1].operation == "product"
    assert operations("3*A*x")[-1] == "multiply"


def test_numbers_of_a_coefficient_are_one_number() -> None:
    assert operations("-2*A/4/3").count("number") == 1
    assert operations("-2*A/4/3") == ["number", "multiply"]


def test_a_sum_subtracts_what_is_negative() -> None:
    assert operations("A - B") == ["subtract"]
    assert operations("-A + B") == ["subtract"]
    assert operations("-A - B") == ["add", "negative"]
    assert operations("A - (-B)") == ["add"]
    assert operations("A + (-2)*B*C") == ["product", "number", "multiply", "subtract"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(A .* B)", ["transpose", "trace_product"]),
        ("sum(A .* B .* C)", ["multiply", "transpose", "trace_product"]),
        ("sum(2 .* A .* B)", ["transpose", "trace_product", "number", "multiply"]),
        ("sum(A + B)", ["add", "sum"]),
        ("sum(A)", ["sum"]),
        ("sum(A .* B - C)", ["transpose", "trace_product", "sum", "subtract"]),
    ],
)
def test_a_sum_of_products_of_elements_is_a_trace(text: str, expected: list[str]) -> None:
    assert sorted(operations(text)) == sorted(expected)


def test_the_sum_of_a_product_multiplies_vectors() -> None:
    program = program_of("sum(A*B)", sizes={"n": 30, "m": 40, "k": 50})
    assert program.count("product") == 3
    assert program.count("sum") == 0


@pytest.mark.parametrize(
    ("text", "products", "sums"),
    [
        ("(A + A')*x", 2, 1),
        ("(A - 2*B*C)'*x", 3, 1),
        ("x'*(A + I)", 1, 1),
        ("(A + B)*C", 1, 1),
    ],
)
def test_a_sum_of_matrices_is_not_formed_for_one_vector(
    text: str, products: int, sums: int
) -> None:
    found = operations(text)
    assert found.count("product") == products
    assert found.count("add") + found.count("subtract") == sums


def test_a_sum_of_matrices_is_formed_once_for_many_vectors() -> None:
    assert program_of("(A + A')*x", unbatched="A").count("product") == 1


def test_the_identity_is_no_factor() -> None:
    assert operations("A*I*B") == ["product"]
    assert operations("I*A") == []
    assert operations("tr(I*A*B)") == ["trace_product"]


def test_a_power_next_to_a_vector_is_applied_factor_by_factor() -> None:
    assert operations("A^8*x") == ["product"] * 8
    assert operations("A^8") == ["product"] * 3


@pytest.mark.parametrize("k", range(-9, 10))
def test_the_trace_of_a_power_does_not_form_it(k: int) -> None:
    found = operations(f"tr(A^{k})")
    assert found[-1] == ("trace_product" if abs(k) > 1 else "trace")
    if k == 8:
        assert found == ["product", "product", "trace_product"]
    A = np.random.default_rng(0).normal(size=(3, 3))
    expected = np.trace(np.linalg.matrix_power(A, k))
    np.testing.assert_allclose(parse(f"tr(A^{k})").evaluate(A=A), expected, rtol=1e-10)
