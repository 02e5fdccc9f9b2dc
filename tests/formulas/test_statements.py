from typing import Any

import numpy as np
import pytest

from matgrad import catalog
from matgrad.expression import parse
from matgrad.expression.evaluation import evaluate
from matgrad.formulas import Formula
from matgrad.formulas.statements import has_layouts, in_layout, latex, text, transposed


@pytest.mark.parametrize(
    ("id", "statement"),
    [
        ("trace-product", "d tr(A*X) / dX = A'"),
        ("cubic-vector-function", "d x*x'*x / dx = x'*x*I + 2*x*x'"),
        ("squared-frobenius-distance", "d norm(X - A)^2 / dX = 2*(X - A)"),
        ("quadratic-function", "d (x'*A*x + b'*x) / dx = (A + A')*x + b"),
        ("quadratic-form-hessian", "d^2 x'*A*x / dx^2 = A + A'"),
        ("differential-product", "d(X*Y) = dX*Y + X*dY"),
        ("trace-cyclic", "tr(A*B) = tr(B*A)"),
    ],
)
def test_each_kind_is_written_in_its_way(id: str, statement: str) -> None:
    assert str(catalog[id]) == statement
    assert repr(catalog[id]) == f"<Formula {id}: {statement}>"


@pytest.mark.parametrize(
    ("printed", "result"),
    [("A'", "A"), ("-A*B'", "-B*A'"), ("A*x*x'/2", "x*x'*A'/2"), ("tr(A)", "tr(A)"), ("I", "I")],
)
def test_transposes_move_to_the_factors(printed: str, result: str) -> None:
    assert str(transposed(parse(printed))) == result


def test_a_symmetric_variable_is_its_transpose() -> None:
    assert transposed(parse("A", symmetric="A")) == parse("A", symmetric="A")


@pytest.mark.parametrize(
    "formula", [f for f in catalog.values() if has_layouts(f)], ids=lambda f: f.id
)
def test_what_is_written_in_a_layout_is_what_is_computed_in_it(formula: Formula) -> None:
    arrays: dict[str, Any] = formula.sample(np.random.default_rng(2))
    point = formula.parse(formula.wrt)
    models = (None, point, point.T) if formula.kind == "gradient" else ()
    written = (in_layout(formula, "denominator"), in_layout(formula, "numerator"))
    _, denominator, numerator = evaluate((formula.value, *written), arrays, models)
    assert np.allclose(formula.differentiate(**arrays), denominator)
    assert np.allclose(formula.differentiate(layout="numerator", **arrays), numerator)


@pytest.mark.parametrize("formula", catalog.values(), ids=catalog)
def test_latex_is_balanced(formula: Formula) -> None:
    for layout in ("numerator", "denominator"):
        written = latex(formula, layout)
        assert written.count("{") == written.count("}")
        assert written.count(r"\left") == written.count(r"\right")
    assert formula._repr_latex_() == f"${latex(formula, 'denominator')}$"


def test_increments_are_written_with_an_upright_d() -> None:
    assert latex(catalog["differential-multiple"], "denominator").endswith(r"\alpha \mathrm{d}X")


def test_the_numerator_layout_of_the_lecture_is_written_as_there() -> None:
    assert text(catalog["quadratic-trace"], "numerator").endswith("= A*X'*Q + A'*X'*Q'")
