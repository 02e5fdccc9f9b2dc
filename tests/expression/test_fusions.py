"""tr(X A X' Q) and its gradient, of one kernel where both are computed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import Oracle, parse
from matgrad._native import kernels
from matgrad.calculus import derive
from matgrad.expression.builder import Extent
from matgrad.expression.fusions import QUADRATIC_TRACE, fused, fusions_of
from matgrad.expression.lowering import lower
from matgrad.expression.program import Program

Array = NDArray[Any]

SHAPES = {"X": (4, 3), "A": (3, 3), "Q": (4, 4), "C": (4, 3), "S": (3, 3)}


def program(*texts: str) -> Program:
    """Return the program of expressions in X and the other matrices."""
    expressions = tuple(map(parse, texts))
    names = {name for each in expressions for name in each.variables}
    variables = tuple((name, Extent(*SHAPES[name], True)) for name in sorted(names))
    return lower(expressions, variables, (("n", 4), ("m", 3)))


def with_gradient(text: str) -> Program:
    """Return the program of a scalar and its gradient by X."""
    return program(text, str(derive(text, "X").result))


FUSED = [
    "tr(X*A*X'*Q)",
    "tr(X'*Q*X*A)",
    "tr(Q'*X*A'*X')",
    "tr(A*X'*Q*X)",
    "tr(X*A*X'*Q) + tr(C'*X)",
    "exp(tr(X*A*X'*Q))",
    "tr(X*A*X'*Q)^2",
]
APART = ["tr(X*X'*Q)", "tr(X*A*X')", "tr(C'*X)", "norm(X*A)^2"]


@pytest.mark.parametrize("text", FUSED)
def test_a_value_and_its_gradient_are_one_instruction(text: str) -> None:
    whole = with_gradient(text)
    (fusion,) = fusions_of(whole)
    found = fused(whole.instructions, [fusion])
    assert found is not None
    assert [each.operation for each in found].count(QUADRATIC_TRACE) == 1
    assert len(found) <= len(whole.instructions) - 5
    made = [r for each in found for r in each.results]
    assert fusion.parts.intersection(made) == {*fusion.instruction.results}


@pytest.mark.parametrize("text", FUSED)
def test_what_is_read_is_made_before_and_let_go_after(text: str) -> None:
    whole = with_gradient(text)
    found = fused(whole.instructions, fusions_of(whole))
    assert found is not None
    there = {*range(whole.inputs)}
    for each in found:
        assert there.issuperset(each.operands)
        there = (there - {*each.last_uses}) | {*each.results}
    assert there.issuperset(whole.outputs)
    before = {r for each in whole.instructions for r in each.last_uses}
    views = {each.results[0] for each in found if each.operation == "transpose"}
    assert before.isdisjoint(there - views)


@pytest.mark.parametrize("text", APART)
def test_other_traces_are_left_alone(text: str) -> None:
    assert fusions_of(with_gradient(text)) == []


@pytest.mark.parametrize("others", [("Q*X*A",), ("tr(Q*X*A)",), ("X*A + Q*X*A",)])
def test_a_product_that_others_read_is_left_alone(others: tuple[str, ...]) -> None:
    gradient = str(derive("tr(X*A*X'*Q)", "X").result)
    assert fusions_of(program("tr(X*A*X'*Q)", gradient, *others)) == []


def test_a_part_alone_is_left_alone() -> None:
    whole = with_gradient("tr(X*A*X'*Q)")
    for k in range(len(whole.instructions)):
        rest = whole.instructions[:k] + whole.instructions[k + 1 :]
        found = fused(rest, fusions_of(whole))
        is_transpose = whole.instructions[k].operation == "transpose"
        assert found is None or is_transpose


LAYOUTS: list[Callable[[Array], Array]] = [
    lambda A: A,
    lambda A: A.mT.copy().mT,
    lambda A: np.repeat(A, 2, axis=-1)[..., ::2],
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [(), (3,), (1000,), (2, 5)])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12])
@pytest.mark.parametrize("m", [1, 2, 3, 5, 8, 9])
def test_an_oracle_has_the_value_and_the_gradient(
    n: int, m: int, batch: tuple[int, ...], dtype: Any
) -> None:
    rng = np.random.default_rng(n)
    X, A, Q = (
        rng.normal(size=(*batch, *shape)).astype(dtype) for shape in ((n, m), (m, m), (n, n))
    )
    G = Q.astype(float) @ X @ A + Q.mT.astype(float) @ X @ A.mT
    value = (G * X).sum((-2, -1)) / 2
    eps, scale = np.finfo(dtype).eps, float(n * m)
    for k, lies in enumerate(LAYOUTS):
        oracle = Oracle("tr(X*A*X'*Q)", "X", A=LAYOUTS[k - 1](A), Q=lies(Q))
        oracle.pack(X=X)
        found = oracle.value_and_gradient(X if batch or n > 1 else X.reshape(-1))
        np.testing.assert_allclose(found[0], value, rtol=1e3 * eps, atol=500 * eps * scale)
        np.testing.assert_allclose(
            found[1].reshape(G.shape), G, rtol=1e3 * eps, atol=200 * eps * scale
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 2), (4, 3), (8, 8), (7, 5), (8, 9), (20, 20)])
def test_it_is_the_kernels_where_that_is_faster(shape: tuple[int, int], dtype: Any) -> None:
    n, m = shape
    rng = np.random.default_rng(1)
    X, A, Q = (rng.normal(size=(50, *s)).astype(dtype) for s in ((n, m), (m, m), (n, n)))
    found = Oracle("tr(X*A*X'*Q)", "X", A=A, Q=Q).value_and_gradient(X)
    wanted = kernels.quadratic_trace_and_gradient(X, A, Q)
    if max(shape) <= 8 and kernels.has_fast_quadratic_trace(n, m, np.dtype(dtype).num):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_value_asked_for_alone_is_the_same_up_to_roundings() -> None:
    rng = np.random.default_rng(0)
    X, A, Q = rng.normal(size=(3, 1000, 8, 8))
    one, other = (Oracle("tr(X*A*X'*Q)", "X", A=A, Q=Q) for _ in range(2))
    value = one.value(X)
    both = other.value_and_gradient(X)
    np.testing.assert_allclose(value, both[0], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(one.gradient(X), both[1], rtol=1e-11, atol=1e-12)
