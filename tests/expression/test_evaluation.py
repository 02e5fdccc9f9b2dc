"""Evaluation against the judge, and by hand."""

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matgrad.expression import parse
from matgrad.expression.evaluation import evaluate
from matgrad.expression.expression import Expression
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.nodes import Sum
from tests.expression import judge as judges
from tests.expression.judge import Judge
from tests.expression.strategies import arrays, expressions, is_measurable

Array = NDArray[Any]

BATCH = (2, 3)


def judged(expression: Expression, drawn: dict[str, Array], point: tuple[int, ...]) -> Judge:
    """Return the judge of one point of a batch."""
    axes = {"scalar": 0, "column": 1, "matrix": 2}
    at_point = {}
    for name, variable in expression.variables.items():
        own = drawn[name].ndim - axes[variable.declared.value]
        at_point[name] = drawn[name][point[len(point) - own :]]
    return Judge(at_point, {"n": 3, "m": 2})


def at_batch(expression: Expression, values: Array) -> Array:
    """Return values with all axes of the batch."""
    core = values.shape[values.ndim - len(expression.shape) :]
    return np.broadcast_to(values, BATCH + core)


@given(expressions(), st.integers(0, 2**32 - 1))
def test_an_expression_has_the_value_that_its_nodes_have_one_by_one(
    expression: Expression, seed: int
) -> None:
    assume(is_measurable(expression))
    drawn = arrays(np.random.default_rng(seed), expression, BATCH)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        values = at_batch(expression, expression.evaluate(**drawn))
        for point in np.ndindex(*BATCH):
            judge = judged(expression, drawn, point)
            try:
                expected = judge.value(expression)
            except np.linalg.LinAlgError:
                continue
            if np.all(np.isfinite(expected)) and judge.largest < 1e4:
                value = values[point].reshape(expected.shape)
                tolerance = 1e-10 * judge.largest**2
                np.testing.assert_allclose(value, expected, rtol=1e-8, atol=tolerance)


@given(st.lists(expressions(shape=("n", "m"), depth=3), min_size=2, max_size=3))
def test_expressions_have_the_same_values_together_and_alone(several: list[Expression]) -> None:
    drawn = arrays(np.random.default_rng(1), Sum.of(parse("A"), *several), BATCH)
    model = parse("A")
    assume(all(is_measurable(Sum.of(model, expression)) for expression in several))

    def values(*chosen: Expression) -> tuple[Array, ...]:
        names = {"A"}.union(*(expression.variables for expression in chosen))
        needed = {name: drawn[name] for name in names}
        return evaluate(chosen, needed, like=(model,) * len(chosen))

    with np.errstate(all="ignore"):
        alone = [values(expression)[0] for expression in several]
        for expected, value in zip(alone, values(*several), strict=True):
            if np.all(np.isfinite(expected)) and np.max(np.abs(expected)) < 1e4:
                np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)


rng = np.random.default_rng(20250101)
A, B, C = (rng.normal(size=(4, 3, 3)) for _ in range(3))
X = rng.normal(size=(4, 3, 2))
x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
alpha = rng.normal(size=4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tr(A*B)", np.einsum("bij,bji->b", A, B)),
        ("tr(X*X'*A)", np.einsum("bij,bkj,bki->b", X, X, A)),
        ("x'*A*y", np.einsum("bi,bij,bj->b", x, A, y)),
        ("A*x", np.einsum("bij,bj->bi", A, x)),
        ("x'*A", np.einsum("bi,bij->bj", x, A)[:, None]),
        ("x*y'*A", np.einsum("bi,bj,bjk->bik", x, y, A)),
        ("inv(A)*x", np.linalg.solve(A, x[..., None])[..., 0]),
        ("x'*inv(A)", np.linalg.solve(A.mT, x[..., None]).mT),
        ("det(A)*alpha", np.linalg.det(A) * alpha),
        ("logdet(A)", np.linalg.slogdet(A)[1]),
        ("A^3", A @ A @ A),
        ("A^-2", np.linalg.inv(A @ A)),
        ("A^0", np.broadcast_to(np.eye(3), (4, 3, 3))),
        ("tr(A^0)", np.full(4, 3.0)),
        ("diag(x)*A*diag(y)", x[..., None] * A * y[:, None]),
        ("diag(A)", np.diagonal(A, axis1=1, axis2=2)),
        ("diag(diag(A))", A * np.eye(3)),
        ("norm(X)", np.linalg.norm(X, axis=(1, 2))),
        ("norm(x - y)^2", np.sum((x - y) ** 2, axis=-1)),
        ("norm1(X)", np.abs(X).sum(axis=(1, 2))),
        ("sum(A*B)", (A @ B).sum(axis=(1, 2))),
        ("vec(X)", X.mT.reshape(4, 6)),
        ("kron(x, y)", np.einsum("bi,bj->bij", x, y).reshape(4, 9)),
        ("A - alpha*I", A - alpha[:, None, None] * np.eye(3)),
        ("x + 2*ones(n)", x + 2),
        ("(A .* B)./(1 + alpha^2)", A * B / (1 + alpha**2)[:, None, None]),
        ("2.^x", 2**x),
        ("-A + zeros(n, 3)", -A),
        ("x'*y*A", np.sum(x * y, axis=-1)[:, None, None] * A),
        ("(A - B)'*(A - B)", (A - B).mT @ (A - B)),
    ],
)
def test_values_are_those_of_numpy_written_by_hand(text: str, expected: Array) -> None:
    f = parse(text)
    given_arrays = {"A": A, "B": B, "C": C, "X": X, "x": x, "y": y, "alpha": alpha}
    value = f.evaluate(**{name: given_arrays[name] for name in f.variables})
    assert value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(2*A)^0", np.zeros((0, 0))),
        ("(1 ./ x)'*y", 0.0),
        ("diag((inv(A)*x/sin(3))')", np.zeros((0, 0))),
        ("(alpha ./ Y')'", np.zeros((0, 1))),
    ],
)
def test_scalars_go_with_matrices_without_entries(text: str, expected: Any) -> None:
    f, shapes = parse(text), {"A": (0, 0), "Y": (0, 1), "x": (0,), "y": (0,), "alpha": ()}
    value = f.evaluate(**{name: np.ones(shapes[name]) for name in f.variables})
    assert value.shape == np.shape(expected)
    np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    "name", [name for name, record in FUNCTIONS.items() if record.elementwise is not None]
)
def test_elementwise_functions_are_those_of_numpy_and_scipy(name: str) -> None:
    positive = np.abs(X) + 0.1
    value = parse(f"{name}(X)").evaluate(X=positive)
    np.testing.assert_allclose(value, judges.FUNCTIONS[name](positive), rtol=1e-13)


def test_a_scalar_without_a_batch_is_a_number() -> None:
    assert isinstance(parse("tr(A)").evaluate(A=np.eye(3)), np.float64)
    assert isinstance(parse("tr(A)").evaluate(A=np.eye(3, dtype=np.float32)), np.float32)


def test_every_variable_has_its_own_batch() -> None:
    f = parse("tr(A*X) + x'*X*x + alpha")
    A, X = rng.normal(size=(3, 3)), rng.normal(size=(5, 1, 3, 3))
    x, alpha = rng.normal(size=(2, 3)), rng.normal(size=(7, 1, 1))
    value = f.evaluate(A=A, X=X, x=x, alpha=alpha)
    expected = np.einsum("ij,...ji->...", A, X) + np.einsum("...i,...ij,...j->...", x, X, x) + alpha
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert value.shape == (7, 5, 2)


@pytest.mark.parametrize("batch", [(0,), (3, 0)])
def test_an_empty_batch_gives_an_empty_result(batch: tuple[int, ...]) -> None:
    f = parse("tr(A*B) + logdet(A) + norm(inv(B)*x) + sum(exp(A))")
    empty = {"A": np.ones((*batch, 3, 3)), "B": np.ones((*batch, 3, 3)), "x": np.ones((*batch, 3))}
    assert f.evaluate(**empty).shape == batch


@pytest.mark.parametrize(
    "text",
    [
        "A*x",
        "x'*A*x",
        "tr(A*A)",
        "inv(A)*x",
        "det(A)",
        "logdet(A)",
        "sum(A*A)",
        "norm(A)",
        "kron(A, A)",
        "vec(A)",
        "x*x'",
        "diag(x)*A",
        "norm1(x)",
        "A^3",
        "adj(A)",
    ],
)
@pytest.mark.parametrize("batch", [(), (5,)])
def test_matrices_without_rows_give_what_sums_and_products_of_nothing_are(
    text: str, batch: tuple[int, ...]
) -> None:
    f = parse(text)
    empty = {"A": np.ones((*batch, 0, 0)), "x": np.ones((5, 0))}
    value = f.evaluate(**{name: empty[name] for name in f.variables})
    assert np.all(value == (1 if text == "det(A)" else 0))


def test_strides_and_order_make_no_difference() -> None:
    f = parse("A*x + inv(A)*x + sum(A)*x")
    A, x = rng.normal(size=(6, 6, 4, 4)), rng.normal(size=(6, 8))
    views = {"A": A[::2, ::-2].mT, "x": x[:3, ::2]}
    copies = {name: np.ascontiguousarray(view) for name, view in views.items()}
    views["x"].flags.writeable = False
    np.testing.assert_allclose(f.evaluate(**views), f.evaluate(**copies), rtol=1e-12)


@pytest.mark.parametrize("text", ["X", "X'", "vec(X)", "x", "x'", "X + X", "1*X", "2", "alpha"])
def test_a_result_is_the_callers_own(text: str) -> None:
    f = parse(text)
    given_arrays = {"X": np.ones((3, 1)), "x": np.ones(3), "alpha": np.ones(2)}
    mine = {name: given_arrays[name] for name in f.variables}
    first = np.asarray(f.evaluate(**mine))
    if first.ndim:
        first += 1
    assert all(np.all(array == 1) for array in mine.values())
    np.testing.assert_array_equal(f.evaluate(**mine), first - 1 if first.ndim else first)


def test_results_of_one_program_do_not_share_memory() -> None:
    X = parse("X")
    given_arrays = {"X": rng.normal(size=(3, 3))}
    results = evaluate((X * X, (X * X).T, X * X, X), given_arrays)
    for k, result in enumerate(results):
        assert not any(np.shares_memory(result, other) for other in results[:k])
        assert not np.shares_memory(result, given_arrays["X"])


def test_a_singular_matrix_spoils_only_its_own_results() -> None:
    for n in (3, 8):
        A = rng.normal(size=(4, n, n))
        A[2] = 1
        b = rng.normal(size=(4, n))
        with np.errstate(all="ignore"):
            value = parse("inv(A)*b").evaluate(A=A, b=b)
        regular = [0, 1, 3]
        assert np.all(np.isnan(value[2]))
        expected = np.linalg.solve(A[regular], b[regular][..., None])[..., 0]
        np.testing.assert_allclose(value[regular], expected, rtol=1e-9)


def test_logdet_is_the_logarithm_of_the_absolute_value() -> None:
    X = np.array([[[2.0, 0.0], [0.0, 3.0]], [[0.0, 2.0], [3.0, 0.0]], [[1.0, 2.0], [2.0, 4.0]]])
    with np.errstate(all="ignore"):
        values = parse("logdet(X)").evaluate(X=X)
    np.testing.assert_allclose(values, [np.log(6), np.log(6), -np.inf])


@pytest.mark.parametrize("sign", [1, -1])
def test_an_imaginary_step_through_logdet_gives_its_derivative(sign: int) -> None:
    X, E = rng.normal(size=(2, 4, 4))
    X[0] *= sign * np.sign(np.linalg.det(X))
    assert np.sign(np.linalg.det(X)) == sign
    f = parse("logdet(X) + sum(inv(X)) + log(det(X)^2)")
    step = f.evaluate(X=X + 1e-30j * E).imag / 1e-30
    inverse = np.linalg.inv(X)
    expected = 3 * np.trace(inverse @ E) - np.sum(inverse @ E @ inverse)
    np.testing.assert_allclose(step, expected, rtol=1e-11)


def test_a_logarithm_beside_an_inverse_does_not_overflow() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = parse("logdet(A) + tr(inv(A))").evaluate(A=1e6 * np.eye(100))
    np.testing.assert_allclose(value, 600 * np.log(10) + 1e-4)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_matrices_are_transposed_and_not_conjugated(dtype: Any) -> None:
    A = (rng.normal(size=(5, 3, 3)) + 1j * rng.normal(size=(5, 3, 3))).astype(dtype)
    x = (rng.normal(size=(5, 3)) + 1j).astype(dtype)
    B, C = (rng.normal(size=(2, 3, 3)) - 1j).astype(dtype)
    tolerance = 1e-4 if dtype == np.complex64 else 1e-12
    for text, expected in [
        ("x'*A*x", np.einsum("bi,bij,bj->b", x, A, x)),
        ("tr(A'*A)", np.einsum("bij,bij->b", A, A)),
        ("tr(A*B*A'*C)", np.einsum("bij,jk,blk,li->b", A, B, A, C)),
        ("sum(A .* A)", np.einsum("bij,bij->b", A, A)),
        ("det(A)", np.linalg.det(A)),
        ("inv(A)*x", np.linalg.solve(A, x[..., None])[..., 0]),
        ("norm(A)^2", np.linalg.norm(A, axis=(1, 2)) ** 2),
        ("norm(x)", np.linalg.norm(x, axis=1)),
        ("exp(A)", np.exp(A)),
    ]:
        f = parse(text)
        value = f.evaluate(**{n: {"A": A, "B": B, "C": C, "x": x}[n] for n in f.variables})
        np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)


def test_a_norm_neither_overflows_nor_underflows() -> None:
    x = np.array([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0], [3.0, 4.0], [np.inf, 1.0]])
    expected = [5e200, 5e-200, 0, 5, np.inf]
    np.testing.assert_allclose(parse("norm(x)").evaluate(x=x), expected, rtol=1e-15)
    assert np.isnan(parse("norm(x)").evaluate(x=[np.nan, 1.0]))


def test_the_exponent_of_a_matrix_may_be_an_argument() -> None:
    f = parse("tr(A^k)", scalars="k")
    np.testing.assert_allclose(f.evaluate(A=A, k=3), np.trace(A @ A @ A, axis1=1, axis2=2))
    np.testing.assert_allclose(
        f.evaluate(A=A, k=-1), np.trace(np.linalg.inv(A), axis1=1, axis2=2), rtol=1e-9
    )
    k = np.array([-1, 0, 2, 3])[: len(A)]
    powers = [np.trace(np.linalg.matrix_power(*each)) for each in zip(A, k, strict=True)]
    np.testing.assert_allclose(f.evaluate(A=A, k=k), powers, rtol=1e-9)
    for wrong, shown in ((0.5, "0.5"), (np.nan, "nan"), ([1, 2, 2.5, 4], "2.5")):
        with pytest.raises(ValueError, match=f"must be an integer; got {shown}"):
            f.evaluate(A=A, k=wrong)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("X .* A + 2*Q - sin(X)./A", 2.1),
        ("exp(-X.^2/2) .* A + X", 2.1),
        ("sigmoid(X) - tanh(A) + Q", 2.2),
        ("Q'*X*A' + Q*X*A", 3.1),
        ("tr(X*A*X'*Q)", 0.2),
        ("sum(X .* A)", 0.2),
        ("norm(X - A)^2", 1.2),
    ],
)
def test_temporaries_are_let_go_and_written_over(text: str, most: float) -> None:
    f = parse(text)
    arrays = {name: rng.normal(size=(5000, 4, 4)) for name in f.variables}
    f.evaluate(**arrays)
    tracemalloc.start()
    f.evaluate(**arrays)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < most * 5000 * 4 * 4 * 8
