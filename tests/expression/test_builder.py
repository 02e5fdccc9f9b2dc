"""The builder: one register for one value, numbers folded, transposes for nothing."""

import pytest

from matgrad.expression.builder import Builder, Extent, repeated
from tests.expression.programs import program_of


def builder() -> Builder:
    """Return a builder with inputs 0 and 1 of 3 x 3, 2 of 3 x 1 and the scalar 3."""
    return Builder(Extent(3, 3, True), Extent(3, 3), Extent(3, 1, True), Extent(1, 1))


def test_the_same_value_has_the_same_register() -> None:
    b = builder()
    assert b.product(0, 1) == b.product(0, 1)
    assert b.product(0, 1) != b.product(1, 0)
    assert b.number(2) == b.number(2.0)


def test_a_transpose_of_a_transpose_is_what_it_was_made_of() -> None:
    b = builder()
    assert b.transpose(b.transpose(0)) == 0
    assert b.transpose(3) == 3


def test_a_product_of_transposes_is_the_transpose_of_the_product() -> None:
    b = builder()
    mirrored = b.product(b.transpose(1), b.transpose(0))
    assert mirrored == b.transpose(b.product(0, 1))
    assert b.program(mirrored).count("product") == 1


def test_a_product_is_known_by_its_mirror() -> None:
    b = builder()
    first = b.product(b.transpose(0), 2)
    assert b.product(b.transpose(2), 0) == b.transpose(first)


def test_results_are_batched_where_an_operand_is() -> None:
    b = builder()
    assert b.extents[b.product(0, 1)] == Extent(3, 3, True)
    assert b.extents[b.map("exp", 1)] == Extent(3, 3, False)
    assert b.extents[b.multiply(3, 2)] == Extent(3, 1, True)


def test_a_single_row_or_column_has_the_size_of_the_other_operand() -> None:
    b = Builder(Extent(1, 1), Extent(0, 4), Extent(3, 1), Extent(1, 4))
    assert b.extents[b.multiply(0, 1)] == b.extents[b.multiply(1, 0)] == Extent(0, 4)
    assert b.extents[b.multiply(2, 3)] == Extent(3, 4)


@pytest.mark.parametrize(
    ("operation", "x", "y", "value"),
    [("add", 1, 2, 3), ("subtract", 1, 2, -1), ("divide", 1, 4, 0.25), ("power", 2, -1, 0.5)],
)
def test_operations_on_numbers_are_done_at_once(
    operation: str, x: float, y: float, value: float
) -> None:
    b = builder()
    assert b.value(b.elementwise(operation, b.number(x), b.number(y))) == value


@pytest.mark.parametrize(
    ("operation", "x", "y"),
    [("divide", 1, 0), ("power", -1, 0.5), ("power", 10, 999), ("multiply", 1e308, 10)],
)
def test_operations_without_a_finite_real_value_are_left_to_the_arrays(
    operation: str, x: float, y: float
) -> None:
    b = builder()
    assert b.value(b.elementwise(operation, b.number(x), b.number(y))) is None


def test_one_is_neutral() -> None:
    b = builder()
    one = b.number(1)
    assert b.multiply(one, 0) == b.multiply(0, one) == b.elementwise("divide", 0, one) == 0


def test_a_sign_goes_into_a_number() -> None:
    b = builder()
    assert b.negative(b.multiply(b.number(2), 0)) == b.multiply(b.number(-2), 0)
    assert b.value(b.negative(b.number(2))) == -2


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        ("x.^2", ["multiply"]),
        ("x.^3", ["multiply", "multiply"]),
        ("x.^4", ["multiply", "multiply"]),
        ("x.^0.5", ["sqrt"]),
        ("x.^-1", ["number", "divide"]),
        ("x.^-2", ["number", "multiply", "divide"]),
        ("x.^7", ["number", "power"]),
        ("x.^alpha", ["power"]),
    ],
)
def test_small_powers_are_multiplications(text: str, operations: list[str]) -> None:
    found = [instruction.operation for instruction in program_of(text).instructions]
    assert sorted(found) == sorted(operations)


@pytest.mark.parametrize("exponent", range(1, 40))
def test_repeated_squaring_gives_the_power(exponent: int) -> None:
    assert repeated(lambda a, b: a + b, 1, exponent) == exponent


def test_factorisations_are_those_of_the_matrix_not_of_its_transpose() -> None:
    b = builder()
    assert b.of_matrix("det", b.transpose(0)) == b.of_matrix("det", 0)
    assert b.of_matrix("inverse", b.transpose(0)) == b.transpose(b.of_matrix("inverse", 0))
