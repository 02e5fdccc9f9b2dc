import tracemalloc
from typing import Any

import numpy as np
import pytest

from matgrad import catalog
from matgrad.formulas import Formula
from matgrad.formulas.conditions import invertible

RNG = np.random.default_rng(7)
TRACE = catalog["trace-product"]
A, X = RNG.random((2, 3)), RNG.random((5, 3, 2))


def test_the_value_is_that_of_numpy() -> None:
    assert np.allclose(TRACE.evaluate(A=A, X=X), np.trace(A @ X, axis1=-2, axis2=-1))


def test_a_constant_gradient_has_the_batch_of_the_variable() -> None:
    value, gradient = TRACE.value_and_gradient(A=A, X=X)
    assert value.shape == (5,)
    assert np.array_equal(gradient, np.broadcast_to(A.T, (5, 3, 2)))


@pytest.mark.parametrize(
    "formula",
    [f for f in catalog.values() if f.kind in ("gradient", "jacobian", "hessian")],
    ids=lambda formula: formula.id,
)
def test_every_derivative_has_the_batch_of_its_variable_and_can_be_written_to(
    formula: Formula,
) -> None:
    arrays: dict[str, Any] = formula.sample(np.random.default_rng(5))
    alone = formula.differentiate(**arrays)
    arrays[formula.wrt] = np.stack([arrays[formula.wrt]] * 3)
    together = formula.differentiate(**arrays)
    assert together.shape == (3, *np.shape(alone))
    assert np.allclose(together, alone)
    assert together.flags.writeable
    assert not np.shares_memory(together[0], together[1])


def test_the_gradient_of_a_trace_is_as_large_as_its_variable() -> None:
    gradient = catalog["trace"].differentiate(X=RNG.random((4, 3, 3)))
    assert np.array_equal(gradient, np.broadcast_to(np.eye(3), (4, 3, 3)))


def test_the_two_layouts_are_transposes() -> None:
    formula = catalog["quadratic-trace"]
    arrays: dict[str, Any] = formula.sample(RNG, (4,), n=3, m=2)
    denominator = formula.differentiate(**arrays)
    numerator = formula.differentiate(layout="numerator", **arrays)
    assert np.array_equal(numerator, denominator.mT)


def test_the_jacobian_has_a_row_for_each_output_in_numerator_layout() -> None:
    formula = Formula("affine", "Affine", "A*x", "x", "A", kind="jacobian", sources=())
    x = RNG.random(3)
    assert np.array_equal(formula.differentiate(A=A, x=x, layout="numerator"), A)
    assert np.array_equal(formula.differentiate(A=A, x=x), A.T)


def test_single_precision_stays() -> None:
    value, gradient = catalog["determinant"].value_and_gradient(X=np.eye(3, dtype="f4"))
    assert value.dtype == gradient.dtype == np.float32


@pytest.mark.parametrize("verb", ["evaluate", "differentiate", "value_and_gradient"])
def test_a_missing_array_is_named(verb: str) -> None:
    with pytest.raises(TypeError, match="trace-product needs an array for A; it takes A, X"):
        getattr(TRACE, verb)(X=X)


@pytest.mark.parametrize("verb", ["evaluate", "differentiate", "value_and_gradient"])
def test_an_array_too_many_is_named(verb: str) -> None:
    with pytest.raises(TypeError, match="trace-product has no variable B; it takes A, X"):
        getattr(TRACE, verb)(A=A, X=X, B=A)


def test_a_wrong_shape_is_told_with_formula_and_variable() -> None:
    with pytest.raises(ValueError, match=r"trace-product: .* needs X of shape \(\.\.\., m, n\)"):
        TRACE.differentiate(A=A, X=A)


def test_a_violated_condition_is_told_on_request() -> None:
    X = np.stack([np.eye(2), np.ones((2, 2))])
    formula = catalog["determinant-invertible"]
    with pytest.raises(
        ValueError,
        match=r"determinant-invertible: X is expected to be invertible; at \(1,\) of the batch it "
        r"is 2 x 2 and its smallest singular value is \S+ times its largest",
    ):
        formula.differentiate(X=X, verify=True)
    with np.errstate(invalid="ignore"):
        assert np.isnan(formula.differentiate(X=X)[1]).all()


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_what_is_not_finite_meets_no_condition(entry: float) -> None:
    with pytest.raises(ValueError, match="log-determinant: X is expected to be invertible"):
        catalog["log-determinant"].evaluate(X=np.full((2, 2), entry), verify=True)


def test_a_structure_is_a_condition() -> None:
    with pytest.raises(ValueError, match="weighted-distance: W is expected to be symmetric"):
        catalog["weighted-distance"].evaluate(x=[1, 2], s=[0, 0], W=[[1, 2], [3, 4]], verify=True)


def test_a_differential_has_no_other_layout() -> None:
    formula = catalog["differential-product"]
    arrays: dict[str, Any] = formula.sample(RNG)
    assert set(arrays) == {"X", "Y", "dX", "dY"}
    with pytest.raises(ValueError, match="differential-product: vec is for derivatives"):
        formula.differentiate(layout="vec", **arrays)


def test_a_formula_without_an_erratum_was_printed_right() -> None:
    with pytest.raises(ValueError, match="trace has no erratum"):
        catalog["trace"].as_printed()


def test_requirements_are_structures_and_conditions() -> None:
    formula = Formula(
        "f", "F", "tr(A*inv(X))", "X", "-inv(X)'*A*inv(X)'", sources=(), symmetric="A",
        conditions=(invertible("X"),),
    )  # fmt: skip
    assert list(map(str, formula.requirements())) == ["A is symmetric", "X is invertible"]


def test_increments_are_of_the_kind_of_their_variables() -> None:
    assert catalog["differential-vector-function"].shapes == {"x": ("n",), "dx": ("n",)}
    assert catalog["inverse-of-scalar-function"].shapes["dalpha"] == ()


def test_shapes_are_those_of_value_and_derivative_together() -> None:
    assert catalog["determinant-quadratic-square"].shapes["X"] == ("n", "n")
    assert TRACE.shapes == {"A": ("n", "m"), "X": ("m", "n")}


@pytest.mark.parametrize("formula", catalog.values(), ids=catalog)
def test_batches_are_their_members(formula: Formula) -> None:
    arrays: dict[str, Any] = formula.sample(np.random.default_rng(5), (3,))
    together = formula.differentiate(**arrays)
    alone = [formula.differentiate(**{k: v[i] for k, v in arrays.items()}) for i in range(3)]
    assert np.allclose(together, np.stack(alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("id", "most"),
    [("trace-product", 1.1), ("trace-gram", 1.1), ("determinant", 1.2), ("quadratic-trace", 3.2)],
)
def test_value_and_gradient_of_a_large_batch_need_few_arrays_beside_the_result(
    id: str, most: float
) -> None:
    formula = catalog[id]
    arrays: dict[str, Any] = {
        name: RNG.normal(size=(5000, *[4] * len(shape))) for name, shape in formula.shapes.items()
    }
    formula.value_and_gradient(**arrays)
    tracemalloc.start()
    formula.value_and_gradient(**arrays)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < most * 5000 * 4 * 4 * 8
