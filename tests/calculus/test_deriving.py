"""Derivatives against the catalog, against differences, and what is said of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from matgrad import catalog, derive, parse
from matgrad.calculus import Derivation, NotDifferentiableError, hessian_product
from matgrad.calculus.simplification import simplify
from matgrad.expression.evaluation import evaluate
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Call, Variable
from matgrad.formulas import Formula
from tests.expression.strategies import arrays, expressions, is_measurable

Array = NDArray[Any]

FORMULAS = [formula for formula in catalog.values() if formula.kind != "identity"]
GRADIENTS = [formula for formula in FORMULAS if formula.kind == "gradient"]


def derived(formula: Formula) -> Expression:
    """Return the derivative that the engine finds for what a formula declares."""
    return formula.derivation().result


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.id)
def test_a_formula_of_the_catalog_is_derived(formula: Formula) -> None:
    sample: dict[str, Any] = formula.sample(np.random.default_rng(1), (3,))
    model = {"gradient": formula.parse(formula.wrt) if formula.wrt else None}.get(formula.kind)
    model = formula.value if formula.kind == "differential" else model
    pair = (derived(formula), formula.derivative, *map(formula.parse, formula.variables))
    found, declared, *_ = evaluate(pair, sample, (model, model))
    np.testing.assert_allclose(
        np.broadcast_to(found, declared.shape), declared, atol=1e-10 * np.abs(declared).max()
    )


@pytest.mark.parametrize(
    "formula", [f for f in FORMULAS if f.erratum], ids=lambda formula: formula.id
)
def test_the_engine_finds_the_errata(formula: Formula) -> None:
    printed = formula.as_printed()
    sample: dict[str, Any] = printed.sample(np.random.default_rng(2), (3,))
    model = formula.parse(formula.wrt)
    pair = (derived(formula), printed.derivative, *map(formula.parse, formula.variables))
    found, wrong, *_ = evaluate(pair, sample, (model, model))
    assert np.abs(found - wrong).max() > 0.01 * np.abs(found).max()


@pytest.mark.parametrize("formula", GRADIENTS, ids=lambda formula: formula.id)
def test_a_gradient_is_as_short_as_the_literature_has_it(formula: Formula) -> None:
    result = derived(formula)
    assert result.node_count <= formula.derivative.node_count
    assert parse(str(result), **result.declarations) == result


def test_most_gradients_are_those_of_the_literature_after_normalisation() -> None:
    same = [f.id for f in GRADIENTS if simplify(f.derivative) == derived(f)]
    assert len(same) >= 0.7 * len(GRADIENTS)


def test_deriving_is_deterministic() -> None:
    texts = [str(derive("logdet(X'*A*X) + norm(X - B)^2", "X").result) for _ in range(3)]
    assert len(set(texts)) == 1


# ---- generated expressions --------------------------------------------------------------------


@settings(max_examples=2 * settings().max_examples, suppress_health_check=list(HealthCheck))
@given(expressions(("1", "1"), depth=6))
def test_generated_gradients_are_what_differences_measure(expression: Expression) -> None:
    if not is_measurable(expression):
        return
    values = arrays(np.random.default_rng(5), expression, ())
    for name, variable in expression.variables.items():
        derivation = derive(expression, name)
        back = parse(str(derivation.result), **derivation.result.declarations)
        assert back == derivation.result
        with np.errstate(all="ignore"):
            if _has_derivatives_of_adjugates(expression, values):
                _compare(expression, derivation.result, variable, values)


def _has_derivatives_of_adjugates(f: Expression, values: dict[str, Array]) -> bool:
    """Return whether all adjugates are of invertible matrices, and not only by rounding.

    Their derivatives have that condition, and an adjugate is finite where it does not hold.
    """
    subjects = [
        each.arguments[0] for each in f.walk() if isinstance(each, Call) and each.function == "adj"
    ]
    everything = (*subjects, f, *f.variables.values())
    matrices = evaluate(everything, values)[: len(subjects)] if subjects else ()
    return all(np.isfinite(A).all() and np.linalg.cond(A) < 1e8 for A in matrices)


def _compare(
    f: Expression, gradient: Expression, variable: Variable, values: dict[str, Array]
) -> None:
    """Compare where both the function and the differences are tame."""
    coarse, fine = (_differences(f, variable, values, h) for h in (1e-3, 1e-4))
    scale = max(
        float(np.abs(fine).max(initial=0)), 1e-6 * max(1.0, float(abs(f.evaluate(**values))))
    )
    if not (np.isfinite(scale) and np.abs(coarse - fine).max(initial=0) < 1e-4 * scale):
        return
    everything = (gradient, *f.variables.values())
    found = np.broadcast_to(evaluate(everything, values, (variable,))[0], fine.shape)
    if np.isfinite(found).all():
        assert np.abs(found - fine).max(initial=0) < 1e-3 * scale


def _differences(f: Expression, variable: Variable, values: dict[str, Array], h: float) -> Array:
    X = np.asarray(values[variable.name])
    slopes = np.zeros(X.shape)
    for index in np.ndindex(*X.shape):
        E = np.zeros(X.shape)
        E[index] = 1
        near, far = (
            (
                f.evaluate(**values | {variable.name: X + t * E})
                - f.evaluate(**values | {variable.name: X - t * E})
            )
            / (2 * t)
            for t in (h / 2, h)
        )
        slopes[index] = (4 * near - far) / 3
    return (slopes + slopes.T) / 2 if variable.is_symmetric else slopes


@pytest.mark.parametrize(
    "text",
    [
        "X/(a'*X*b)/norm(X)",
        "X/(a'*X*b)/tr(X)",
        "X/(a'*X*b*alpha)/alpha",
        "tr(X)*X*b/(a'*X*b)/det(X)",
        "kron(sum(X)*C/(sum(X)*a'*X*b), A)",
        "kron(X*b, (X'*a)')",
        "kron((X*b)', X'*a)",
        "vec((sum(X)*A')')",
        "diag(C*X*b/(a'*X*C*X*b))",
    ],
)
def test_functions_with_scalars_and_kronecker_products_in_them_are_right(text: str) -> None:
    f, rng = parse(text), np.random.default_rng(6)
    _check_matrix_function(
        f, "X", {name: rng.normal(size=(3,) * len(shape)) for name, shape in f.shapes.items()}
    )


@settings(max_examples=3 * settings().max_examples, suppress_health_check=list(HealthCheck))
@given(expressions(depth=6))
def test_generated_functions_of_any_shape_have_right_derivatives(expression: Expression) -> None:
    if not is_measurable(expression):
        return
    values = arrays(np.random.default_rng(7), expression, ())
    for name in expression.variables:
        with np.errstate(all="ignore"):
            _check_matrix_function(expression, name, values)


def _check_matrix_function(f: Expression, name: str, values: dict[str, Array]) -> None:
    """Compare along a direction, and the vec form with the differential."""
    X, derivation = np.asarray(values[name]), derive(f, name)
    if not _has_derivatives_of_adjugates(f, values):
        return
    if derivation.kind == "jacobian" and derivation.commutations:
        return  # what K stands for is tested beside the vec form
    E = np.random.default_rng(8).normal(size=X.shape)
    E = (E + E.T) / 2 if f.variables[name].is_symmetric else E

    def slope(h: float) -> Array:
        ahead, behind = (f.evaluate(**values | {name: X + t * E}) for t in (h, -h))
        found: Array = np.asarray((ahead - behind) / (2 * h))
        return found

    coarse, fine = (4 * slope(h / 2) / 3 - slope(h) / 3 for h in (1e-3, 1e-4))
    scale = max(np.abs(fine).max(initial=0), 1e-6 * max(1, np.abs(f.evaluate(**values)).max()))
    found = _along(derivation, f, values, E)
    if not (np.isfinite(found).all() and np.abs(coarse - fine).max(initial=0) < 1e-4 * scale):
        return
    assert np.abs(found - fine).max(initial=0) < 1e-3 * scale
    if derivation.vec is None or derivation.commutations:
        return
    everything = (derivation.vec, *f.variables.values())
    if is_measurable(*everything):
        vec = np.broadcast_to(evaluate(everything, values)[0], (found.size, X.size))
        along = vec @ E.ravel(order="F")
        if np.isfinite(along).all():
            scale = max(1, np.abs(found).max(initial=0))
            np.testing.assert_allclose(along, found.ravel(order="F"), rtol=1e-6, atol=1e-8 * scale)


def _along(derivation: Derivation, f: Expression, values: dict[str, Array], E: Array) -> Array:
    """Return what the result says of the direction E."""
    name, result = derivation.variables[0].name, derivation.result
    if derivation.kind == "differential":
        increment = {f"d{name}": E} if f"d{name}" in result.variables else {}
        return evaluate((result, *f.variables.values()), values | increment, (f,))[0]
    model = f.variables[name] if f.is_scalar else f if E.ndim == 0 else None
    derivative = evaluate((result, *f.variables.values()), values, (model,))[0]
    if derivation.kind == "gradient":
        return np.asarray((derivative * E).sum())
    return derivative * E if E.ndim == 0 else np.ravel(E @ derivative)


def test_a_jacobian_shows_the_sizes_of_its_identities() -> None:
    rng = np.random.default_rng(9)
    A, x, y = rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=2)
    derivation = derive("(x*ones(1, m) ./ A)*y", "x")
    everything = (derivation.result, *derivation.value.variables.values())
    J = evaluate(everything, {"A": A, "x": x, "y": y})[0]
    np.testing.assert_allclose(J, np.diag((y / A).sum(axis=1)), rtol=1e-12)


def test_a_constant_that_told_the_size_of_another_one_takes_it_along() -> None:
    f = parse("((y' + alpha*x'*zeros(m, n).^2' + ones(1, n)*A)*(y + y)*ones(1, m))'")
    rng = np.random.default_rng(4)
    values = {"A": rng.normal(size=(3, 2)), "x": rng.normal(size=3), "y": rng.normal(size=2)}
    for name in f.variables:
        _check_matrix_function(f, name, {**values, "alpha": np.array(0.5)})


def test_a_quotient_by_what_proves_to_be_zero_is_derived() -> None:
    text = "((-S'/1.0) ./ ((ones(1, n) + ones(1, n))*zeros(n, n)*x))^2 .* I(n) .* C"
    for name in "SxC":
        assert "/0" in str(derive(text, name).result)


@pytest.mark.parametrize("method", ["differential", "einstein"])
@pytest.mark.parametrize(
    ("text", "wrt"),
    [
        ("sum(x.^y)", "xy"),
        ("sum(x.^x)", "x"),
        ("x'.^(y')*z", "xy"),
        ("sum(X.^A)", "XA"),
        ("sum(alpha.^x)", ("alpha", "x")),
        ("tr(A*alpha.^X')", ("alpha", "X")),
        ("sum((X .* A).^(C*X))", "XC"),
    ],
)
def test_elementwise_powers_with_exponents_of_any_shape_are_right(
    text: str, wrt: Sequence[str], method: Any
) -> None:
    f, rng = parse(text), np.random.default_rng(12)
    values = {name: rng.uniform(0.5, 2, (3, 3)[: len(shape)]) for name, shape in f.shapes.items()}
    for name in wrt:
        found = derive(f, name, method=method).result.evaluate(**values)
        fine = _differences(f, f.variables[name], values, 1e-3)
        np.testing.assert_allclose(found, fine, rtol=1e-8)


def test_elementwise_powers_with_a_vector_as_exponent_have_hessians() -> None:
    x, y = np.array([0.0, 2.0]), np.array([2.0, 3.0])
    H = derive("sum(x.^y)", "x", order=2).result.evaluate(x=x, y=y)
    np.testing.assert_allclose(H, np.diag(y * (y - 1) * x ** (y - 2)), rtol=1e-14)


@pytest.mark.parametrize("text", ["tr(X^8)", "*".join(["A", "X"] * 6), "(X*A)^8"])
def test_products_and_powers_stay_short(text: str) -> None:
    derivation = derive(text if text.startswith("tr") else f"tr({text})", "X")
    assert derivation.result.node_count < 400


# ---- kinds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wrt", "statement"),
    [
        ("x*x'*x", "x", "d x*x'*x / dx = x'*x*I + 2*x*x'"),
        ("inv(A)", "A", "d(inv(A)) = -inv(A)*dA*inv(A)"),
        ("A*x", "A", "d(A*x) = dA*x"),
        ("expm(alpha*A)", "alpha", "d expm(alpha*A) / dalpha = A*expm(alpha*A)"),
        ("alpha^3", "alpha", "d alpha^3 / dalpha = 3*alpha^2"),
    ],
)
def test_a_derivative_is_stated_by_its_kind(text: str, wrt: str, statement: str) -> None:
    assert str(derive(text, wrt)) == statement


def test_several_names_give_the_total_differential() -> None:
    assert str(derive("tr(A*X)", ["A", "X"])) == "d(tr(A*X)) = tr(dA*X) + tr(A*dX)"


def test_numerator_layout_is_the_transpose() -> None:
    assert str(derive("tr(A*X*B)", "X", layout="numerator").result) == "B*A"
    assert str(derive("A*x", "x", layout="numerator").result) == "A"
    assert str(derive("A*x", "x").result) == "A'"
    quadratic = derive("tr(X*A*X'*Q)", "X", layout="numerator")
    assert str(quadratic.result) == "A*X'*Q + A'*X'*Q'"


def test_second_derivatives() -> None:
    assert str(derive("x'*A*x", "x", order=2).result) == "A + A'"
    bilinear = derive("logdet(X)", "X", order=2)
    assert str(bilinear) == "d^2(logdet(X)) = -tr(inv(X)*eX*inv(X)*dX)"
    with pytest.raises(NotDifferentiableError, match="order 2 is for a scalar"):
        derive("A*x", "x", order=2)


@pytest.mark.parametrize("convention", ["symmetric", "free"])
@pytest.mark.parametrize("structure", ["symmetric", "positive_definite", "diagonal", "orthogonal"])
def test_a_second_differential_is_that_of_the_function(structure: str, convention: Any) -> None:
    rng = np.random.default_rng(13)
    f = parse("tr(A*X*B*X*X)", **{structure: "X"})
    A, B, X, d, e = rng.normal(size=(5, 3, 3))
    if structure != "orthogonal":
        X, d, e = (M + M.T if structure != "diagonal" else np.diag(np.diag(M)) for M in (X, d, e))

    def value(s: float, t: float) -> Array:
        return f.evaluate(A=A, B=B, X=X + s * d + t * e)

    mixed = (value(1, 1) - value(1, -1) - value(-1, 1) + value(-1, -1)) / 4
    result = derive(f, "X", order=2, convention=convention).result
    assert result.evaluate(A=A, B=B, X=X, dX=d, eX=e) == pytest.approx(mixed, rel=1e-10)


@pytest.mark.parametrize("text", ["x'*A*x", "norm(A*x - b)^4", "sum(softplus(A*x))"])
def test_a_hessian_product_is_the_hessian_times_a_direction(text: str) -> None:
    gradient = derive(text, "x").result
    x, p = parse("x").variables["x"], parse("p").variables["p"]
    product = hessian_product(gradient, x, p)
    rng = np.random.default_rng(4)
    values = {"x": rng.normal(size=3), "A": rng.normal(size=(3, 3)), "b": rng.normal(size=3)}
    values = {name: values[name] for name in parse(text).variables}
    H = evaluate((derive(text, "x", order=2).result, x), values)[0]
    direction = rng.normal(size=3)
    found, *_ = evaluate((product, x, p), values | {"x": values["x"], "p": direction}, (x, None, x))
    np.testing.assert_allclose(found, H @ direction, rtol=1e-10)


def test_structures_project_the_gradient() -> None:
    free = derive("logdet(S)", "S", symmetric="S", convention="free")
    assert str(free.result) == "2*inv(S) - inv(S) .* I"
    assert str(derive("tr(A*S)", "S", symmetric="S").result) == "(A' + A)/2"
    assert str(derive("tr(A*D)", "D", diagonal="D").result) == "A .* I"
    assert str(derive("tr(A*Q)", "Q", orthogonal="Q").result) == "(A' - Q*A*Q)/2"


# ---- conditions and refusals --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wrt", "condition"),
    [
        ("logdet(X'*X)", "X", "X'*X is invertible"),
        ("norm(x - a)", "x", "norm(x - a) is nonzero"),
        ("sum(log(x))", "x", "x is positive"),
        ("sum(abs(x))", "x", "x is without a zero entry"),
        ("sum(sign(x))", "x", "x is without a zero entry"),
        ("1/alpha", "alpha", "alpha is nonzero"),
        ("sum(A ./ X)", "A", "X is without a zero entry"),
        ("tr(C ./ I)^4", "C", "I is without a zero entry"),
        ("tr(X^-2)", "X", "X is invertible"),
        ("tr(X^alpha)", "X", "X is invertible"),
        ("tr(alpha^-1)", "alpha", "alpha is nonzero"),
        ("logdet(ones(n)*w')", "w", "ones(n)*w' is invertible"),
    ],
)
def test_what_must_hold_is_part_of_the_result(text: str, wrt: str, condition: str) -> None:
    assert condition in map(str, derive(text, wrt).conditions)
    assert condition in map(str, derive(text, wrt, method="einstein").conditions)


@pytest.mark.parametrize("method", ["differential", "einstein"])
@pytest.mark.parametrize(
    ("text", "wrt"),
    [("sum(2.^x)", "x"), ("2^alpha", "alpha"), ("sum(X ./ 2)", "X"), ("tr(X^3)", "X")],
)
def test_what_always_holds_is_no_condition(text: str, wrt: str, method: Any) -> None:
    assert derive(text, wrt, method=method).conditions == ()


def test_each_condition_is_stated_once() -> None:
    hessian = derive("sum(relu(A*x).^2)", "x", order=2)
    assert [*map(str, hessian.conditions)] == ["A*x is without a zero entry"]
    assert [*map(str, derive("logdet(X'*ones)", "X").conditions)] == ["X'*ones is invertible"]


@pytest.mark.parametrize(
    ("text", "wrt", "words"),
    [
        ("tr(A*expm(X))", "X", r"expm\(X\) is a series"),
        ("sum(X^k)", "X", r"X\^k is a sum over its exponent"),
        ("sum(conj(X))", "X", "conj.*no complex derivative"),
    ],
)
def test_what_has_no_derivative_is_refused_by_name(text: str, wrt: str, words: str) -> None:
    with pytest.raises(NotDifferentiableError, match=words):
        derive(parse(text, scalars="k" if "k" in text else ()), wrt)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"wrt": "Y"}, r"tr\(A\*X\) has no variable Y; it has A, X"),
        ({"wrt": "X", "method": "guess"}, "method must be one of 'differential', 'einstein'"),
        ({"wrt": "X", "layout": "vec"}, "layout must be one of"),
        ({"wrt": "X", "order": 3}, "order must be one of 1, 2; got 3"),
        ({"wrt": "X", "convention": "both"}, "convention must be one of"),
    ],
)
def test_what_derive_does_not_know_is_told(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        derive("tr(A*X)", **keywords)


@pytest.mark.parametrize(
    ("subject", "keywords", "words"),
    [
        (parse("tr(X*A)"), {"symmetric": "X"}, "takes symmetric for a text only; .* tr"),
        (parse("tr(X*A)"), {"nonsense": 3}, "takes nonsense for a text only"),
        (3, {}, "needs a text or an expression; got 3"),
        ("tr(X)", {"wrt": None}, "wrt is a name or a sequence of names; got None"),
        ("tr(X)", {"wrt": []}, r"wrt is a name or a sequence of names; got \[\]"),
        ("tr(X)", {"wrt": parse("X")}, "wrt is a name or a sequence of names; got parse"),
    ],
)
def test_arguments_without_a_meaning_are_refused(
    subject: Any, keywords: dict[str, Any], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        derive(subject, **{"wrt": "X", **keywords})


@pytest.mark.parametrize(
    "keywords",
    [{"order": 2}, {"method": "einstein"}, {"layout": "numerator"}, {"convention": "free"}],
)
def test_a_total_differential_has_no_options(keywords: dict[str, Any]) -> None:
    (choice,) = keywords.values()
    with pytest.raises(ValueError, match=f"the total differential.*got.*{choice}"):
        derive("tr(A*X)", ["A", "X"], **keywords)


@pytest.mark.parametrize("method", ["differential", "einstein"])
def test_coefficients_beyond_the_range_of_floats_are_evaluated(method: Any) -> None:
    derivation = derive("1e308*alpha^20", "alpha", method=method)
    with np.errstate(over="ignore"):
        assert derivation.result.evaluate(alpha=10.0) == np.inf
    assert parse(str(derivation.result)) == derivation.result


def test_the_steps_are_told_with_their_rules() -> None:
    explained = derive("tr(X*A*X'*Q)", "X").explain().splitlines()
    assert explained[0] == "d(tr(X*A*X'*Q))"
    assert explained[1].split("  ")[0] == "tr(d(X*A*X'*Q))"
    assert "tr(A*X'*Q*dX) + tr(A'*X'*Q'*dX)" in explained[4]
    assert explained[-1] == "d tr(X*A*X'*Q) / dX = Q'*X*A' + Q*X*A"


def test_a_derivation_has_latex() -> None:
    derivation = derive("tr(A*X)", "X")
    assert derivation.latex() == (
        r"\frac{\partial}{\partial X} \operatorname{tr}\left(A X\right) = A^{\top}"
    )
    assert derivation._repr_latex_() == f"${derivation.latex()}$"
    assert derivation.steps[0].expression.latex().startswith(r"\mathrm{d}")


def test_an_expression_gives_its_gradient() -> None:
    assert str(parse("x'*A*x").gradient("x")) == "(A + A')*x"
