"""Products in the cheapest order, found against all orders; traces that form no product."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matgrad.expression import parse
from matgrad.expression.builder import Builder, Extent
from matgrad.expression.chains import Link, product
from tests.expression.programs import program_of


@given(st.lists(st.integers(1, 9), min_size=3, max_size=8))
def test_the_order_is_the_cheapest_of_all(sizes: list[int]) -> None:
    @lru_cache
    def cheapest(i: int, j: int) -> int:
        splits = (
            cheapest(i, k) + cheapest(k, j) + sizes[i] * sizes[k] * sizes[j]
            for k in range(i + 1, j)
        )
        return min(splits, default=0)

    builder = Builder(*(Extent(m, n) for m, n in pairwise(sizes)))
    result = product(builder, [Link(register) for register in range(len(sizes) - 1)])
    cost = sum(
        builder.extents[a].rows * builder.extents[a].columns * builder.extents[b].columns
        for a, b in products(builder, result)
    )
    assert cost == cheapest(0, len(sizes) - 1)
    assert builder.extents[result][:2] == (sizes[0], sizes[-1])


def products(builder: Builder, register: int) -> list[tuple[int, ...]]:
    """Return the operands of the products that a register needs, by the builder's registers."""
    made = [builder._made[register]] if register in builder._made else []
    below = [
        pair for each in made for operand in each.operands for pair in products(builder, operand)
    ]
    return below + [each.operands for each in made if each.operation == "product"]


def test_a_vector_is_multiplied_first() -> None:
    program = program_of("A*B*C*x")
    assert [str(each) for each in program.instructions] == [
        "r4 = product r2 r3",
        "r5 = product r1 r4",
        "r6 = product r0 r5",
    ]


def test_what_is_the_same_for_all_points_is_multiplied_once() -> None:
    assert str(program_of("A*B*X", unbatched="AB").instructions[0]) == "r3 = product r0 r1"
    assert str(program_of("X*A*B", unbatched="AB").instructions[0]) == "r3 = product r1 r2"


def test_a_product_and_its_mirror_are_computed_once() -> None:
    assert program_of("x'*A'*A*x").count("product") == 2
    assert program_of("(A*B)*(A*B)'").count("product") == 2


def test_a_chain_uses_the_products_that_are_there() -> None:
    program = program_of("2*A*x + A'*B*(A*x) + (x'*A*x)*x")
    assert program.count("product") == 4


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        ("tr(A*B)", ["trace_product"]),
        ("tr(A*B')", ["trace_product", "transpose"]),
        ("tr(X*A*X'*Q)", ["quadratic_trace"]),
        ("tr(A*X'*Q*X)", ["quadratic_trace"]),
        ("tr(Q*X*A*X')", ["quadratic_trace"]),
        ("tr(3*A*B/alpha)", ["divide", "multiply", "number", "trace_product"]),
        ("tr(A*B*C)", ["product", "trace_product"]),
        ("tr(A)", ["trace"]),
        ("tr(A + B)", ["add", "trace"]),
        ("tr(A*B - C)", ["subtract", "trace", "trace_product"]),
        ("tr(x*y')", ["trace_product", "transpose"]),
        ("tr(diag(x))", ["sum"]),
        ("tr(X'*X)", ["trace_product", "transpose"]),
    ],
)
def test_a_trace_forms_no_product(text: str, operations: list[str]) -> None:
    found = [each.operation for each in program_of(text).instructions]
    assert sorted(found) == operations


def test_a_trace_is_cut_where_that_is_cheapest() -> None:
    program = program_of("tr(A*B*C*D)", sizes={"n": 50})
    assert (3, 0) in [each.operands for each in program.instructions]
    program = program_of("tr(A*B*C*D)", sizes={"m": 50})
    assert (0, 1) in [each.operands for each in program.instructions]


def test_the_quadratic_trace_gives_way_to_products_that_are_there() -> None:
    program = program_of("tr(X*A*X'*Q)", "Q*X*A + Q'*X*A'", sizes={"n": 20, "m": 20})
    assert program.count("quadratic_trace") == 0
    assert program.count("trace_product") == 1
    assert program.count("product") == 4


@pytest.mark.parametrize("text", ["diag(x)*A", "A*diag(x)", "diag(x)*A*diag(y)", "A'*diag(x)*A"])
def test_a_diagonal_matrix_in_a_product_is_never_formed(text: str) -> None:
    program = program_of(text)
    assert program.count("diagonal_matrix") == 0
    assert program.count("multiply") == text.count("diag")


def test_diagonal_matrices_scale_the_smaller_side() -> None:
    program = program_of("diag(x)*A*y", sizes={"n": 5, "m": 50})
    assert [each.operation for each in program.instructions] == ["product", "multiply"]


@pytest.mark.parametrize("text", ["inv(A)*x", "x'*inv(A)", "inv(A)'*x", "y'*inv(A)*x", "B*inv(A)"])
def test_an_inverse_in_a_product_is_a_solve(text: str) -> None:
    program = program_of(text)
    assert program.count("solve") == 1
    assert program.count("factorise") == 0


def test_a_long_chain_is_ordered_in_no_time() -> None:
    text = "*".join(["A", "A'"] * 20)
    sizes = {"n": 4, "m": 5}
    assert program_of(text, sizes=sizes).count("product") < 40
    f = parse(f"tr({text})")
    A = np.random.default_rng(0).normal(size=(3, 4)) / 3
    expected = np.trace(np.linalg.matrix_power(A @ A.T, 20))
    np.testing.assert_allclose(f.evaluate(A=A), expected)
