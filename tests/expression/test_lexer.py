"""Tokens and where they stand."""

import pickle

import pytest

from matgrad.expression.lexer import ParseError, tokens


def texts(text: str) -> list[str]:
    """Return the tokens of a text without the end."""
    return [token.text for token in tokens(text)][:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.*x", ["2", ".*", "x"]),
        ("2.5*x", ["2.5", "*", "x"]),
        ("2..*x", ["2.", ".*", "x"]),
        (".5e-3", [".5e-3"]),
        ("1e5x", ["1e5", "x"]),
        ("2e", ["2", "e"]),
        ("x.^-2'", ["x", ".^", "-", "2", "'"]),
        (" X_1 ,\tnorm1\n", ["X_1", ",", "norm1"]),
    ],
)
def test_a_point_before_a_sign_belongs_to_the_sign(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_tokens_know_where_they_stand() -> None:
    text = "  alpha .* (x)"
    assert all(text[token.start : token.end] == token.text for token in tokens(text))


@pytest.mark.parametrize("text", ["A # B", "x = 2", "α*x", "A & B", "x[1]", "2 · x", "."])
def test_other_signs_are_refused_where_they_stand(text: str) -> None:
    with pytest.raises(ParseError, match="is not in the language") as error:
        texts(text)
    assert text[error.value.start] in str(error.value).splitlines()[0]
    assert str(error.value).splitlines()[2] == "    " + " " * error.value.start + "^"


def test_a_parse_error_can_be_pickled() -> None:
    error = ParseError("expected more", "A*", 2, 2)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
