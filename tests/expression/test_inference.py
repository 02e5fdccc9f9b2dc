"""Dimensions that follow from an expression alone, and conflicts that show where they are."""

import pytest
from hypothesis import given

from matgrad.expression import DimensionError, parse
from matgrad.expression.expression import Expression
from matgrad.expression.inference import DEEPEST, infer
from matgrad.expression.nodes import Constant, Negation, Sum, Variable
from tests.expression.strategies import expressions


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("tr(A*X*B)", {"A": ("n", "m"), "X": ("m", "k"), "B": ("k", "n")}),
        ("tr(X*A*X'*Q)", {"X": ("n", "m"), "A": ("m", "m"), "Q": ("n", "n")}),
        ("norm(y - X*w)^2", {"y": ("n",), "X": ("n", "m"), "w": ("m",)}),
        ("logdet(X'*A*X)", {"X": ("n", "m"), "A": ("n", "n")}),
        ("kron(B', A)*vec(X) - vec(A*X*B)", {"B": ("n", "m"), "A": ("k", "l"), "X": ("l", "n")}),
        ("x'*ones(p)", {"x": ("p",)}),
        ("A*ones(3)", {"A": ("n", 3)}),
        ("A - lambda*I", {"A": ("n", "n"), "lambda": ()}),
        ("x'*A*x*B", {"x": ("n",), "A": ("n", "n"), "B": ("m", "k")}),
        ("alpha*A .* B ./ 2", {"alpha": (), "A": ("n", "m"), "B": ("n", "m")}),
        ("diag(x)*A*diag(diag(B))", {"x": ("n",), "A": ("n", "m"), "B": ("m", "m")}),
        ("vec(X) - kron(a, b)", {"X": ("n", "m"), "a": ("k",), "b": ("l",)}),
    ],
)
def test_dimensions_follow_from_the_expression_alone(
    text: str, shapes: dict[str, tuple[int | str, ...]]
) -> None:
    assert parse(text).shapes == shapes


def test_a_structure_makes_a_matrix_square() -> None:
    for keyword in ("symmetric", "diagonal", "orthogonal", "positive_definite"):
        assert parse("S*x", **{keyword: "S"}).shapes["S"] == ("n", "n")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "tr(A*x)",
            ["tr needs a square matrix; A*x is n x 1", "    tr(A*x)", "       ^^^"],
        ),
        (
            "A*x + y'*B",
            [
                "terms need the same shape; A*x is n x 1 and y'*B is 1 x m",
                "    A*x + y'*B",
                "    ^^^   ^^^^",
            ],
        ),
        (
            "B*x'*y",
            [
                "a factor needs as many columns as the next one has rows; "
                "B is n x m and x' is 1 x k",
                "    B*x'*y",
                "    ^ ^^",
            ],
        ),
        (
            "A*ones(3) - A*ones(4)",
            [
                "a factor needs as many columns as the next one has rows; "
                "A is n x 3 and ones(4) is 4 x 1, because of A*ones(3)",
                "    A*ones(3) - A*ones(4)",
                "                ^ ^^^^^^^",
            ],
        ),
        (
            "x .* A",
            [
                "an elementwise operation needs the same shape on both sides, or a scalar; "
                "x is n x 1 and A is n x m",
                "    x .* A",
                "    ^    ^",
            ],
        ),
        (
            "A/B",
            [
                "only a scalar divides by /, where inv(...) or ./ may be meant; B is n x m",
                "    A/B",
                "      ^",
            ],
        ),
        (
            "x^2",
            [
                "a power needs a scalar or a square matrix, and a scalar exponent; x is n x 1",
                "    x^2",
                "    ^",
            ],
        ),
        (
            "alpha^x",
            [
                "a power needs a scalar or a square matrix, and a scalar exponent; x is n x 1",
                "    alpha^x",
                "          ^",
            ],
        ),
        (
            "det(X) + X",
            [
                "terms need the same shape; det(X) is 1 x 1 and X is n x n",
                "    det(X) + X",
                "    ^^^^^^   ^",
            ],
        ),
        (
            "a - (b - c')",
            [
                "terms need the same shape; b is n x 1 and -c' is 1 x m",
                "    a - (b - c')",
                "         ^   ^^",
            ],
        ),
    ],
)
def test_a_conflict_shows_both_places(text: str, lines: list[str]) -> None:
    with pytest.raises(DimensionError) as error:
        parse(text)
    assert str(error.value).splitlines() == lines


def test_products_of_dimensions_that_cannot_agree_are_refused() -> None:
    with pytest.raises(DimensionError, match="do not agree"):
        parse("vec(X)'*ones(12) + sum(X*ones(3)) + sum(ones(3)'*X)")


def test_constants_get_the_dimensions_of_their_places() -> None:
    (filled,) = infer((parse("I*A + ones*B + zeros"),)).expressions
    assert str(filled) == "I(n)*A + ones(n, k)*B + zeros(n, m)"


def test_two_equal_constants_may_have_different_dimensions() -> None:
    (filled,) = infer((parse("tr(A*I) + tr(B*I)"),)).expressions
    assert str(filled) == "tr(A*I(n)) + tr(B*I(m))"


def test_a_model_gives_the_shape_that_an_expression_does_not_show() -> None:
    gradient, X = parse("ones"), parse("X")
    inference = infer((gradient,), like=(X,))
    assert str(inference.expressions[0]) == "ones(n, m)"
    assert list(inference.shapes) == [X]
    with pytest.raises(DimensionError, match="x is n x 1, and should be n x m, the shape of X"):
        infer((parse("x"),), like=(X,))


def test_expressions_share_their_variables() -> None:
    value, gradient = parse("tr(A*X)"), parse("A'")
    assert infer((value, gradient)).results[1] == infer((value,)).shapes[parse("X")]  # type: ignore[index]


def test_one_name_is_one_variable() -> None:
    with pytest.raises(ValueError, match="has X both as a matrix and as a symmetric matrix"):
        infer((parse("X") + parse("X", symmetric="X"),))


def test_the_deepest_expressions_still_evaluate_and_deeper_ones_are_refused() -> None:
    deep: Expression = Variable("alpha", parse("alpha").kind)
    for _ in range(DEEPEST // 2):
        deep = Negation(Sum((deep, parse("beta"))))
    assert abs(deep.evaluate(alpha=1.0, beta=0.5)) <= 1
    assert parse(str(deep)) == deep
    with pytest.raises(ValueError, match=f"at most {DEEPEST} levels deep"):
        Negation(deep).shape  # noqa: B018


@given(expressions())
def test_filled_constants_leave_the_expression_as_it_is_otherwise(expression: Expression) -> None:
    (filled,) = infer((expression,)).expressions
    assert all(node.dimensions for node in filled.walk() if isinstance(node, Constant))
    assert [type(node) for node in filled.walk()] == [type(node) for node in expression.walk()]
