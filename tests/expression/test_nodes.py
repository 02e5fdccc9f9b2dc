"""Laws of the nodes: what is joined, what stays apart, what is refused."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from matgrad.expression import parse
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Call,
    ElementwiseProduct,
    Negation,
    Number,
    Power,
    Product,
    Sum,
    Variable,
    lift,
    number_of,
)
from tests.expression.strategies import expressions

A, B, C = (Variable(name, Kind.MATRIX) for name in "ABC")
x, y = (Variable(name, Kind.COLUMN) for name in "xy")
alpha = Variable("alpha", Kind.SCALAR)


def test_sums_and_products_join_their_like() -> None:
    assert Sum.of(A, Sum.of(B, C)) == Sum((A, B, C))
    assert Product.of(A, Product.of(B, C)) == Product((A, B, C))
    assert ElementwiseProduct.of(ElementwiseProduct.of(A, B), C) == ElementwiseProduct((A, B, C))
    assert Sum.of(A) == A
    with pytest.raises(ValueError, match="Sum needs an operand"):
        Sum.of()


def test_a_product_that_contracts_joins_only_scalars() -> None:
    inner = Product.of(x.T, y)
    assert Product.of(B, inner) == Product((B, inner))
    assert Product.of(2, inner, B) == Product((Number(2), x.T, y, B))


def test_a_run_ends_where_a_row_meets_a_column() -> None:
    product = parse("2*x'*A*x*B*C")
    assert isinstance(product, Product)
    assert [len(run) for run in product.runs] == [1, 3, 2]
    assert product.contracts
    assert not parse("A*x*y'*B").contracts  # type: ignore[attr-defined]


def test_the_power_minus_one_of_a_matrix_is_its_inverse() -> None:
    assert Power.of(A, -1) == Call.of("inv", A)
    assert Power.of(alpha, -1) == Power(alpha, Negation(Number(1)))
    with pytest.raises(ValueError, match=r"needs an integer exponent; got 0\.5"):
        Power.of(A, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [(("foo", A), "there is no function foo; there are tr, det"), (("det",), "takes 1 argument")],
)
def test_a_call_of_nothing_is_refused(call: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Call.of(*call)


@pytest.mark.parametrize("value", [3, -3, 0.25, -0.25, np.float32(1.5), np.int64(-7)])
def test_a_number_is_lifted_and_read_back(value: float) -> None:
    lifted = lift(value)
    assert number_of(lifted) == value
    assert parse(str(lifted)) == lifted


def test_only_finite_real_numbers_are_lifted() -> None:
    for wrong in ("2", True, 1j, None, np.ones(2)):
        with pytest.raises(TypeError, match="an expression or a real number"):
            lift(wrong)  # type: ignore[arg-type]
    for infinite in (np.inf, np.nan, 10**400):
        with pytest.raises(ValueError, match="finite"):
            lift(infinite)


def test_a_variable_says_what_it_is() -> None:
    assert x.description == "a column vector"
    structured = Variable("S", Kind.MATRIX, frozenset({"positive_definite", "diagonal"}))
    assert structured.description == "a diagonal positive definite matrix"
    assert structured.is_symmetric
    assert not Variable("Q", Kind.MATRIX, frozenset({"orthogonal"})).is_symmetric


@given(expressions())
def test_a_node_is_rebuilt_from_its_children(expression: Expression) -> None:
    for node in expression.walk():
        assert node.rebuild(node.children) == node


@given(expressions())
def test_equality_hash_and_pickle_go_by_structure(expression: Expression) -> None:
    again = parse(str(expression), **expression.declarations)
    assert again == expression
    assert hash(again) == hash(expression)
    assert pickle.loads(pickle.dumps(expression)) == expression
    assert -expression != expression
