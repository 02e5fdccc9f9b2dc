"""The text of an expression reads back as the same expression."""

import pytest
from hypothesis import given

from matgrad.expression import parse
from matgrad.expression.expression import Expression
from matgrad.expression.text import text_and_spans
from tests.expression.strategies import expressions


@given(expressions(depth=6))
def test_a_text_reads_back_as_the_same_expression(expression: Expression) -> None:
    again = parse(str(expression), **expression.declarations)
    assert again == expression
    assert str(again) == str(expression)


@given(expressions(depth=5))
def test_every_parenthesis_is_needed_or_shows_a_negation(expression: Expression) -> None:
    text = str(expression)
    for start, end in parentheses(text):
        inside = text[start + 1 : end]
        if inside.startswith("-"):
            continue
        without = f"{text[:start]}{inside}{text[end + 1 :]}"
        try:
            meaning = parse(without, **expression.declarations)
        except ValueError:
            continue
        assert meaning != expression, without


def parentheses(text: str) -> list[tuple[int, int]]:
    """Return where parentheses open and close that are not a function's."""
    pairs, open_places = [], []
    for place, sign in enumerate(text):
        if sign == "(":
            open_places.append(place)
        elif sign == ")":
            start = open_places.pop()
            if not text[:start][-1:].isalnum():
                pairs.append((start, place))
    return pairs


@pytest.mark.parametrize(
    "text",
    [
        "tr(X*A*X'*Q)",
        "-2*X'*(y - X*w)",
        "(x - A*s)'*W*(x - A*s)",
        "x.^2 ./ (1 + alpha)",
        "inv(X)'*a*b'*inv(X)'",
        "(x'*A*x)^2/(x'*x)^0.5",
        "a*(-b)'*c",
        "X^-2 + X'^3 - X^2'",
        "1e-05*x",
        "alpha - (-beta)",
        "A.^(B'.^2)",
        "A.^B.^(C'.^2)",
        "alpha^-(beta'^2)",
        "A'.^2'",
    ],
)
def test_a_text_without_spare_signs_stays_as_it_is(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("path", "marked"),
    [((0,), "A*(B - C)"), ((0, 1), "B - C"), ((0, 1, 1), "C"), ((0, 1, 1, 0), "C"), ((0, 0), "A")],
)
def test_a_place_in_the_tree_has_a_span_in_the_text(path: tuple[int, ...], marked: str) -> None:
    text, [(start, end)] = text_and_spans(parse("tr(A*(B - C))"), [path])
    assert text == "tr(A*(B - C))"
    assert text[start:end] == marked
