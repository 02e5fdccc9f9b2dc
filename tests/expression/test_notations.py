"""LaTeX and Unicode, as a textbook prints them."""

import re

import pytest
from hypothesis import given

from matgrad.expression import parse
from matgrad.expression.expression import Expression
from matgrad.expression.functions import FUNCTIONS
from tests.expression.strategies import expressions

WRITTEN = [
    ("tr(X*A*X'*Q)", r"\operatorname{tr}\left(X A X^{\top} Q\right)", "tr(X A Xᵀ Q)"),
    ("inv(A)'*b", r"A^{-\top} b", "A⁻ᵀ b"),
    ("inv(A*B)", r"\left(A B\right)^{-1}", "(A B)⁻¹"),
    ("X'^2", r"\left(X^{\top}\right)^{2}", "(Xᵀ)²"),
    ("x'*A*x/2", r"\frac{x^{\top} A x}{2}", "xᵀ A x/2"),
    ("alpha/beta*x", r"\frac{\alpha}{\beta} x", "(α/β) x"),
    ("2*3*x", r"2 \cdot 3 x", "2·3 x"),
    ("A .* B ./ C", r"\left(A \odot B\right) \oslash C", "(A ⊙ B) ⊘ C"),
    ("x.^2", r"x^{\odot 2}", "x⊙²"),
    (
        "kron(B', A)*vec(X)",
        r"\left(B^{\top} \otimes A\right) \operatorname{vec}\left(X\right)",
        "(Bᵀ ⊗ A) vec(X)",
    ),
    (
        "norm(x) + norm(X)^2",
        r"\left\lVert x\right\rVert + \left\lVert X\right\rVert_{F}^{2}",
        "‖x‖ + ‖X‖_F²",
    ),
    ("logdet(X)^2", r"\left(\log\left|\det\left(X\right)\right|\right)^{2}", "(log|det(X)|)²"),
    ("sigma_1*Sigma*x_train", r"\sigma_{1} \Sigma x_{\mathrm{train}}", "σ₁ Σ x_train"),
    (
        "X1 - lambda*I + ones(n, m)",
        r"X_{1} - \lambda I + \mathbf{1}_{n \times m}",
        "X₁ - λ I + 1_(n×m)",
    ),
    ("Weights*z", r"\mathrm{Weights} z", "Weights z"),
    ("x_mu'*y_ab", r"x_{\mu}^{\top} y_{\mathrm{ab}}", "x_μᵀ y_ab"),
    ("-(A + B)*1e-7", r"-\left(A + B\right) \cdot 10^{-7}", "-(A + B)·10⁻⁷"),
    ("alpha^(beta + 1)", r"\alpha^{\beta + 1}", "α^(β + 1)"),
    ("abs(x) - (x - y)", r"\left|x\right| - \left(x - y\right)", "|x| - (x - y)"),
]


@pytest.mark.parametrize(("text", "latex", "unicode"), WRITTEN)
def test_expressions_look_as_in_a_textbook(text: str, latex: str, unicode: str) -> None:
    assert parse(text).latex() == latex
    assert parse(text).unicode() == unicode


@given(expressions(depth=5))
def test_latex_is_balanced_and_nothing_carries_two_superscripts(expression: Expression) -> None:
    latex = expression.latex()
    assert latex.count(r"\left") == latex.count(r"\right")
    assert latex.count("{") == latex.count("}")
    assert not re.search(r"\^\{[^{}]*\}\^", latex)
    assert expression._repr_latex_() == f"${latex}$"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_both_notations(name: str) -> None:
    f = parse(f"{name}({', '.join('AB'[: FUNCTIONS[name].arity])})")
    for written in (f.latex(), f.unicode()):
        assert "A" in written
        assert "#" not in written


def test_capitals_that_latex_does_not_have_are_words() -> None:
    assert parse("Alpha*Omega").latex() == r"\mathrm{Alpha} \Omega"
    assert parse("omicron").latex() == "o"
