"""What names are by convention, and what declares them otherwise."""

import pytest

from matgrad.expression import parse
from matgrad.expression.dimension import Kind
from matgrad.expression.names import GREEK, conventional_kind, stem_and_index


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("X", Kind.MATRIX),
        ("Sigma", Kind.MATRIX),
        ("Weights_2", Kind.MATRIX),
        ("x", Kind.COLUMN),
        ("weights", Kind.COLUMN),
        ("alphabet", Kind.COLUMN),
        ("alpha", Kind.SCALAR),
        ("lambda1", Kind.SCALAR),
        ("sigma_noise", Kind.SCALAR),
    ],
)
def test_the_first_letter_decides_unless_the_name_is_a_greek_letter(name: str, kind: Kind) -> None:
    assert conventional_kind(name) is kind


def test_all_greek_letters_are_scalars_and_their_capitals_matrices() -> None:
    assert len(GREEK) == 24
    assert {conventional_kind(name) for name in GREEK} == {Kind.SCALAR}
    assert {conventional_kind(name.capitalize()) for name in GREEK} == {Kind.MATRIX}


@pytest.mark.parametrize(
    ("name", "parts"),
    [("x", ("x", "")), ("x12", ("x", "12")), ("X_train", ("X", "train")), ("a1b", ("a1b", ""))],
)
def test_what_follows_a_letter_is_its_index(name: str, parts: tuple[str, str]) -> None:
    assert stem_and_index(name) == parts


def test_keywords_declare_what_a_name_is() -> None:
    f = parse("a*M*mu + r", scalars="a", vectors=["mu", "r"], matrices=("M",), symmetric="M")
    kinds = {name: variable.declared for name, variable in f.variables.items()}
    assert kinds == {"a": Kind.SCALAR, "M": Kind.MATRIX, "mu": Kind.COLUMN, "r": Kind.COLUMN}
    assert f.variables["M"].structure == {"symmetric"}


def test_declarations_read_back_the_same_expression() -> None:
    f = parse("a*M*mu", scalars="a", vectors="mu", positive_definite="M", diagonal="M")
    assert parse(str(f), **f.declarations) == f


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"scalars": "x", "vectors": "x"}, "x is declared as scalar and as column"),
        ({"symmetric": "x"}, "symmetric= is for matrices; x is a column vector"),
        ({"symmetric": "Z"}, "symmetric= names Z, but x'\\*A\\*x has the variables x, A"),
        ({"scalars": ["tr"]}, "scalars= names 'tr', which cannot be a variable"),
        ({"scalars": ["x y"]}, "which cannot be a variable"),
        ({"orthogonal": "I"}, "orthogonal= names 'I'"),
    ],
)
def test_keywords_that_make_no_sense_are_refused(
    keywords: dict[str, str | list[str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parse("x'*A*x", **keywords)
