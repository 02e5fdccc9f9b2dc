"""What texts mean, and what is said about those that mean nothing."""

import itertools
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matgrad.expression import DimensionError, ParseError, parse
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.lexer import tokens
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    Variable,
    lift,
)
from tests.expression.strategies import expressions

A, B, X = (Variable(name, Kind.MATRIX) for name in "ABX")
x, y = (Variable(name, Kind.COLUMN) for name in "xy")
alpha = Variable("alpha", Kind.SCALAR)
two, three = Number(2), Number(3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A + B - X", Sum((A, B, Negation(X)))),
        ("A - (B + X)", Sum((A, Negation(Sum((B, X)))))),
        ("A*B*X", Product((A, B, X))),
        ("A*(B*X)", Product((A, B, X))),
        ("B*(x'*y)", Product((B, Product((Transpose(x), y))))),
        ("alpha*(x'*y)", Product((alpha, Transpose(x), y))),
        ("-A*B", Negation(Product((A, B)))),
        ("-alpha^2", Negation(Power(alpha, two))),
        ("A*-B", Product((A, Negation(B)))),
        ("A*B'", Product((A, Transpose(B)))),
        ("A'^2", Power(Transpose(A), two)),
        ("A^2'", Transpose(Power(A, two))),
        ("alpha^2^3", Power(alpha, Power(two, three))),
        ("alpha^-2*x", Product((Power(alpha, Negation(two)), x))),
        ("x.^-2.^alpha", ElementwisePower(x, Negation(ElementwisePower(two, alpha)))),
        ("x/2/3", Quotient(Quotient(x, two), three)),
        ("x/2*y'", Product((Quotient(x, two), Transpose(y)))),
        ("2.*x", ElementwiseProduct((two, x))),
        ("x .* y ./ 2", ElementwiseQuotient(ElementwiseProduct((x, y)), two)),
        ("A^-1", Call("inv", (A,))),
        ("inv(A)", Call("inv", (A,))),
        ("alpha^-1", Power(alpha, Negation(Number(1)))),
        ("kron(A, B)", Call("kron", (A, B))),
        ("x + ones(n)", Sum((x, parse("ones(n)")))),
        ("I + A", Sum((Constant("I"), A))),
        ("0.5", Number(0.5)),
        ("1e3", Number(1000.0)),
    ],
)
def test_a_text_means_its_tree(text: str, expected: Expression) -> None:
    assert parse(text) == expected


def test_constants_have_the_dimensions_that_are_written() -> None:
    f = parse("zeros(m, 3)*ones(3) + ones(2*k)'*ones(2*k)*ones(m)")
    sizes = [[d.size for d in c.dimensions] for c in f.walk() if isinstance(c, Constant)]
    assert sizes == [["m", 3], [3], ["2*k"], ["2*k"], ["m"]]


@given(expressions(), st.randoms(use_true_random=False))
def test_blanks_mean_nothing(expression: Expression, random: Random) -> None:
    pieces = [token.text for token in tokens(str(expression))]
    blanks = (random.choice([" ", "  ", "\t", "\n"]) for _ in itertools.count())
    spread = "".join(itertools.chain(*zip(blanks, pieces, strict=False)))
    assert parse(spread, **expression.declarations) == expression


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_can_be_called(name: str) -> None:
    arity = FUNCTIONS[name].arity
    assert parse(f"{name}({', '.join('AB'[:arity])})").children == (A, B)[:arity]


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("tr(A*", "expected an operand, such as a name, a number or '(', but found the end", 5),
        ("", "expected an operand", 0),
        ("A**B", "expected an operand, such as a name, a number or '(', but found '*'", 2),
        ("+A", "expected an operand", 0),
        ("2 x", "expected an operator such as '*', but found 'x'", 2),
        ("A (B)", "there is no function A; a product is A*(...)", 0),
        ("(A)(B)", "expected an operator such as '*', but found '('", 3),
        ("(A", "expected an operator or ')', but found the end", 2),
        ("A)", "expected an operator or the end, but found ')'", 1),
        ("A, B", "expected an operator or the end, but found ','", 1),
        ("tr A", "expected '(' after the function tr, but found 'A'", 3),
        ("trace(A)", "there is no function trace", 0),
        ("expp(x)", "did you mean exp?", 0),
        ("det(A, B)", "det takes 1 argument; got 2", 0),
        ("kron(A)", "kron takes 2 arguments; got 1", 0),
        ("ones(0)", "expected a dimension, such as n or 3, but found '0'", 5),
        ("ones(2.5)", "expected a dimension, such as n or 3, but found '2.5'", 5),
        ("ones(" + 5000 * "9" + ")", "expected a dimension, such as n or 3, but found '99", 5),
        ("I(2, 3)", "I takes at most 1 dimensions; got 2", 0),
        ("A^0.5", "the power of a matrix needs an integer exponent; got 0.5", 0),
        ("1e999", "a number in an expression is finite; got inf", 0),
        ("tr(A) @ 2", "'@' is not in the language", 6),
    ],
)
def test_an_error_shows_the_place_and_says_what_was_expected(
    text: str, problem: str, place: int
) -> None:
    with pytest.raises(ParseError, match=re.escape(problem)) as error:
        parse(text)
    _, shown, carets = str(error.value).splitlines()
    assert shown == "    " + text
    assert len(carets) - len(carets.lstrip()) == place + 4


@pytest.mark.parametrize("text", ["(" * 5000, "x" + "'" * 5000, "-" * 5000 + "x", "2^" * 5000])
def test_a_text_that_nests_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nests too deeply|levels deep"):
        parse(text)


PIECES = [
    *"ABXxyIn2()+-*/^',",
    ".*",
    "./",
    ".^",
    " ",
    "0.5",
    "1e3",
    "alpha",
    *FUNCTIONS,
    "tr(",
    "ones(",
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=8))
def test_any_text_is_an_expression_or_an_error_that_shows_it(text: str) -> None:
    try:
        expression = parse(text)
    except (ParseError, DimensionError) as error:
        _, shown, carets = str(error).split("\n")
        assert 0 < len(carets) <= len(shown) + 1
        return
    assert parse(str(expression)) == expression


@pytest.mark.parametrize("value", [1e22, 1e-300, 123456789.25, 10**30])
def test_numbers_read_back(value: float) -> None:
    assert parse(str(lift(value))) == lift(value)


def test_a_text_of_many_lines_is_shown_on_one() -> None:
    with pytest.raises(ParseError) as error:
        parse("A +\n  B $ C")
    assert str(error.value).splitlines()[1:] == ["    A +   B $ C", "            ^"]
