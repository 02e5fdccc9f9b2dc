import zlib

import numpy as np
import pytest

from matgrad import catalog
from matgrad.formulas import Comparison, Formula
from matgrad.formulas.comparison import is_analytic

ERRATA = [formula for formula in catalog.values() if formula.erratum]


def generator(formula: Formula) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(formula.id.encode()))


@pytest.mark.parametrize("formula", catalog.values(), ids=catalog)
def test_a_declared_derivative_is_what_differences_measure(formula: Formula) -> None:
    comparison = formula.check(generator(formula))
    assert comparison.ok, comparison


@pytest.mark.parametrize("formula", ERRATA, ids=lambda formula: formula.id)
def test_a_printed_form_with_an_erratum_fails_the_same_check(formula: Formula) -> None:
    comparison = formula.as_printed().check(generator(formula))
    assert not comparison.ok
    assert comparison.error > 0.01


def test_the_errata_of_the_sources_are_recorded() -> None:
    sources = [formula.erratum.source for formula in ERRATA if formula.erratum]
    assert sources == [
        "lecture-a:2",
        "lecture-a:3",
        "cookbook:127",
        "lecture-a:6",
        "cookbook:51",
        "cookbook:92",
        "cookbook:92",
        "cookbook:95",
        "cookbook:139",
        "cookbook:140",
        "cookbook:141",
    ]


WRONG = {
    "negative": Formula("wrong", "W", "tr(A*X)", "X", "-A'", sources=()),
    "transposed": Formula("wrong", "W", "tr(A*X)", "X", "A", sources=()),
    "a part in a billion": Formula("wrong", "W", "x'*x", "x", "2.000000002*x", sources=()),
    "zero": Formula("wrong", "W", "norm(x)", "x", "0*x", sources=()),
    "without the root": Formula("wrong", "W", "norm(x)", "x", "x", sources=()),
    "jacobian transposed": Formula("wrong", "W", "A*x", "x", "A'", kind="jacobian", sources=()),
    "half a hessian": Formula("wrong", "W", "x'*A*x", "x", "A", kind="hessian", sources=()),
    "differential": Formula(
        "wrong", "W", "X*Y", "X", "dX*Y + dY*X", kind="differential", sources=()
    ),
    "identity": Formula("wrong", "W", "X*Y", "", "Y*X", kind="identity", sources=()),
    "Frobenius taken for free": Formula(
        "wrong", "W", "tr(A*X)", "X", "(A + A')/2", convention="free", symmetric="X", sources=()
    ),
    "not symmetric": Formula(
        "wrong", "W", "tr(A*X)", "X", "A", convention="symmetric", symmetric="X", sources=()
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_derivative_is_found(name: str) -> None:
    assert not WRONG[name].check(np.random.default_rng(0)).ok


def test_a_derivative_that_is_not_a_number_is_wrong() -> None:
    assert not Comparison("f", "complex step", float("nan")).ok


def test_sizes_are_those_that_are_asked_for() -> None:
    assert catalog["trace-product"].check(np.random.default_rng(0), n=1, m=7).ok


@pytest.mark.parametrize(
    ("id", "analytic"), [("determinant", True), ("distance", False), ("logistic-loss", True)]
)
def test_norms_and_absolute_values_have_no_complex_derivative(id: str, analytic: bool) -> None:
    assert is_analytic(catalog[id].value) is analytic


@pytest.mark.parametrize(
    ("id", "dims"),
    [
        ("trace-ratio", {"n": 1}),
        ("trace-ratio-of-quadratics", {"n": 2, "m": 2}),
        ("quotient-of-squared-norms", {"m": 1}),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_rounding_is_all_that_is_wrong_where_a_derivative_is_zero(
    id: str, dims: dict[str, int], seed: int
) -> None:
    comparison = catalog[id].check(np.random.default_rng(seed), **dims)
    assert comparison.ok, comparison


# There is no column of the identity, no vector of norm 1, no rank 1 without entries.
NEEDS_ENTRIES = ("a column of the identity", "nonzero")
WITHOUT = [
    formula
    for formula in catalog.values()
    if not any(condition.property in NEEDS_ENTRIES for condition in formula.conditions)
]


@pytest.mark.parametrize("formula", WITHOUT, ids=lambda formula: formula.id)
def test_formulas_are_right_without_entries(formula: Formula) -> None:
    names = {name for shape in formula.shapes.values() for name in shape if str(name).isalpha()}
    comparison = formula.check(generator(formula), **{str(name): 0 for name in names})
    assert comparison.ok, comparison
