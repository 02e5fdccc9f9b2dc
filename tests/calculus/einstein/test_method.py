"""Derivation by index notation, against the catalog and against the other method."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from matgrad import catalog, derive, parse
from matgrad.calculus import NotDifferentiableError
from matgrad.expression.evaluation import evaluate
from matgrad.expression.expression import Expression
from matgrad.formulas import Formula
from tests.expression.strategies import arrays, expressions, is_measurable

# Kronecker products, of which the notation has no sign.
REFUSED = {"trace-kronecker", "trace-kronecker-square"}
FORMULAS = [
    formula
    for formula in catalog.values()
    if formula.kind in ("gradient", "jacobian", "hessian") and formula.id not in REFUSED
]


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.id)
def test_a_formula_of_the_catalog_is_derived(formula: Formula) -> None:
    derivation = derive(
        formula.value,
        formula.wrt,
        method="einstein",
        order=2 if formula.kind == "hessian" else 1,
        layout="numerator" if formula.kind == "jacobian" else "denominator",
        convention="free" if formula.convention == "free" else "symmetric",
    )
    sample: dict[str, Any] = formula.sample(np.random.default_rng(1), (3,))
    model = formula.parse(formula.wrt) if formula.kind == "gradient" else None
    pair = (derivation.result, formula.derivative, *map(formula.parse, formula.variables))
    found, declared, *_ = evaluate(pair, sample, (model, model))
    np.testing.assert_allclose(
        np.broadcast_to(found, declared.shape), declared, atol=1e-10 * np.abs(declared).max()
    )


def test_the_steps_are_those_of_the_lecture() -> None:
    derivation = derive("tr(X*A*X'*Q)", "X", method="einstein")
    assert [str(step.expression) for step in derivation.steps] == [
        "X_ij A_jk X_lk Q_li",
        "dX_ij/dX_st A_jk X_lk Q_li + X_ij A_jk dX_lk/dX_st Q_li",
        "delta_is delta_jt A_jk X_lk Q_li + X_ij A_jk delta_ls delta_kt Q_li",
        "A_tk X_lk Q_ls + X_ij A_jt Q_si",
        "Q'*X*A' + Q*X*A",
    ]
    assert derivation.steps[0].expression.latex() == r"X_{ij} \, A_{jk} \, X_{lk} \, Q_{li}"


@pytest.mark.parametrize(
    ("text", "wrt", "written"),
    [
        ("A*x", "x", "A_ij x_j"),
        ("A*X*B", "X", "A_ik X_kl B_lj"),
        ("x.^2 + sum(x)*x", "x", "(x.^2)_i + x_j x_i"),
    ],
)
def test_summed_indices_are_none_of_the_entry(text: str, wrt: str, written: str) -> None:
    assert str(derive(text, wrt, method="einstein").steps[0].expression) == written


def test_a_known_derivative_is_named() -> None:
    derivation = derive("logdet(X)", "X", method="einstein")
    assert "known derivative: d logdet(F)/dF_ab = inv(F)_ba" in derivation.steps[1].rule
    assert [str(condition) for condition in derivation.conditions] == ["X is invertible"]


@pytest.mark.parametrize(
    ("text", "wrt"),
    [("vec(X)'*b", "X"), ("tr(kron(A, X))", "X"), ("det(expm(X))", "X"), ("det(sinm(X))", "X")],
)
def test_what_the_method_does_not_reach_is_refused_by_name(text: str, wrt: str) -> None:
    with pytest.raises(NotDifferentiableError, match="method='differential'"):
        derive(text, wrt, method="einstein")


@pytest.mark.parametrize(
    ("text", "wrt", "result"),
    [
        ("tr(X)", "X", "I"),
        ("sum(X)", "X", "ones(n, m)"),
        ("sum(X*A)", "X", "ones(n, l)*A'"),
        ("tr((A .* X)*B)", "X", "A .* B'"),
        ("x'*diag(X)", "X", "diag(x)"),
        ("sum(diag(x)*A*diag(x))", "x", "A*x + A'*x"),
        ("norm1(X)", "X", "sign(X)"),
    ],
)
def test_indices_are_read_back(text: str, wrt: str, result: str) -> None:
    derivation = derive(text, wrt, method="einstein")
    A = {
        name: np.random.default_rng(2).random((3, 3)[: len(shape)])
        for name, shape in derivation.value.shapes.items()
    }
    model = derivation.variables[0]
    expected, found, *_ = evaluate(
        (parse(result), derivation.result, derivation.value), A, (model, model)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "wrt", "result"),
    [
        ("2*y", "y", "2*diag(y.^0)"),
        ("tr(alpha*I + X)", "alpha", "tr(diag((X*ones(n)).^0))"),
        ("tr(alpha*I(3)*I(3))", "alpha", "tr(I(3))"),
    ],
)
def test_identities_that_nothing_else_measures_show_their_size(
    text: str, wrt: str, result: str
) -> None:
    assert str(derive(text, wrt, method="einstein").result) == result
    assert str(derive(text, wrt).result) == result


@pytest.mark.parametrize("text", ["sum(alpha*I(3))", "norm(alpha*I(3))^2/2", "tr(alpha*I(3))"])
def test_a_summed_identity_counts_its_rows(text: str) -> None:
    derivation = derive(text, "alpha", method="einstein")
    result = derivation.result.substitute({derivation.variables[0]: parse("1")})
    assert result.evaluate() == 3


@pytest.mark.parametrize("text", ["exp(alpha*x')", "x'/alpha", "(alpha*x').^2", "alpha*x'*A"])
def test_a_row_by_a_scalar_is_a_row(text: str) -> None:
    found = derive(text, "alpha", method="einstein").result
    expected = derive(text, "alpha").result
    values: dict[str, Any] = {
        "alpha": 0.5,
        "x": np.array([2.0, 3.0]),
        "A": np.arange(6.0).reshape(2, 3),
    }
    row, other = (
        each.evaluate(**{name: values[name] for name in each.variables})
        for each in (found, expected)
    )
    assert row.shape == other.shape
    np.testing.assert_allclose(row, other, rtol=1e-14)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(expressions(("1", "1"), depth=3))
def test_both_methods_agree(expression: Expression) -> None:
    if not is_measurable(expression):
        return
    values = arrays(np.random.default_rng(3), expression, ())
    for name, variable in expression.variables.items():
        try:
            first = derive(expression, name, method="einstein").result
        except NotDifferentiableError:
            continue
        second = derive(expression, name).result
        _compare(first, second, variable, values)


def _compare(first: Expression, second: Expression, variable: Any, values: dict[str, Any]) -> None:
    needed = (first, second, variable)
    names = {name for each in needed for name in each.variables}
    given_arrays = {name: array for name, array in values.items() if name in names}
    try:
        with np.errstate(all="ignore"):
            a, b, *_ = evaluate(needed, given_arrays, (variable, variable))
    except ValueError:
        return  # a constant has outlived the variables that show its size
    scale = np.abs(b).max(initial=1e-6)
    if np.isfinite(a).all() and np.isfinite(b).all():
        a = np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape))
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize(
    ("text", "wrt", "entries"),
    [
        ("inv(A)", "A", "-inv(A)_is inv(A)_tj"),
        ("A*X*B", "X", "A_is B_tj"),
        ("X'*X", "X", "delta_it X_sj + X_si delta_jt"),
        ("A*x", "A", "delta_is x_t"),
    ],
)
def test_a_matrix_by_a_matrix_has_entries(text: str, wrt: str, entries: str) -> None:
    derivation = derive(text, wrt, method="einstein")
    assert str(derivation.steps[-1].expression) == entries
    assert derivation.result == derive(text, wrt).result
