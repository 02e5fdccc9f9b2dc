"""tr(X A X' Q) and its gradient, by the kernel."""

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import Oracle, jacobian, parse
from matgrad._native import kernels
from matgrad.calculus import derive
from matgrad.expression import quadratics
from matgrad.expression.builder import Extent
from matgrad.expression.executor import prepare
from matgrad.expression.lowering import lower
from matgrad.expression.program import Instruction, Program
from matgrad.expression.quadratics import BOTH, GRADIENT, VALUE, join_quadratic_traces

Array = NDArray[Any]

SHAPES = {"X": (4, 3), "A": (3, 3), "Q": (4, 4), "C": (4, 3)}


def program(*texts: str) -> Program:
    """Return the program of expressions in X and the other matrices."""
    expressions = tuple(map(parse, texts))
    names = {name for each in expressions for name in each.variables}
    variables = tuple((name, Extent(*SHAPES[name], True)) for name in sorted(names))
    return lower(expressions, variables, (("n", 4), ("m", 3)))


def with_gradient(text: str) -> Program:
    """Return the program of a scalar and its gradient by X."""
    return program(text, str(derive(text, "X").result))


TAKEN = [
    "tr(X*A*X'*Q)",
    "tr(X'*Q*X*A)",
    "tr(Q'*X*A'*X')",
    "tr(A*X'*Q*X)",
    "tr(X*A'*X'*Q)",
    "tr(X*A*X'*Q) + tr(C'*X)",
    "exp(tr(X*A*X'*Q))",
    "tr(X*A*X'*Q)^2",
    "3*tr(X*A*X'*Q)",
    "tr((X - C)*A*(X - C)'*Q)",
]
LEFT = ["tr(X*X'*Q)", "tr(X*A*X')", "tr(C'*X)", "norm(X*A)^2", "tr(X*inv(A)*X'*Q)"]


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the kernel be the faster one, whatever the processor."""
    monkeypatch.setattr(quadratics, "kernels", SimpleNamespace(has_fast_quadratic_trace=is_small))
    lower.cache_clear()
    yield
    lower.cache_clear()


def is_small(n: int, m: int) -> bool:
    return max(n, m) <= 8


def operations(instructions: Iterable[Instruction]) -> list[str]:
    return [each.operation for each in instructions]


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("text", TAKEN)
def test_a_value_and_its_gradient_are_left_to_the_kernel(text: str) -> None:
    whole = with_gradient(text)
    assert whole.count(VALUE) == whole.count(GRADIENT) == 1
    assert whole.count("product") == 0
    assert whole.count("trace_product") == text.count("tr(C")


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("text", TAKEN)
def test_together_they_are_one_instruction(text: str) -> None:
    whole = with_gradient(text)
    joined = join_quadratic_traces(whole.instructions)
    assert operations(joined).count(BOTH) == 1
    assert len(joined) == len(whole.instructions) - 1
    there = {*range(whole.inputs)}
    for each in joined:
        assert there.issuperset(each.operands)
        there = (there | {*each.results}) - {*each.last_uses}
    assert there == {*whole.outputs}


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("text", LEFT)
def test_other_traces_are_left_alone(text: str) -> None:
    assert with_gradient(text).count(GRADIENT) == 0


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("others", [("Q*X*A",), ("tr(Q*X*A*C')",), ("X*A + Q*X*A",)])
def test_products_that_others_read_are_computed_besides(others: tuple[str, ...]) -> None:
    gradient = str(derive("tr(X*A*X'*Q)", "X").result)
    whole = program("tr(X*A*X'*Q)", gradient, *others)
    assert whole.count(VALUE) == whole.count(GRADIENT) == 1
    assert whole.count("product") == 2


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("text", ["tr(Z)*tr(Y*B'*Y'*A')", "norm(Z)^2*tr(Y*B'*Y'*B')"])
def test_a_trace_that_is_there_already_may_be_there_twice(text: str) -> None:
    rng = np.random.default_rng(0)
    A, B, Z, Y = rng.normal(size=(4, 3, 3))
    given: Any = {name: {"A": A, "B": B}[name] for name in "AB" if name in text}
    oracle = Oracle(text, ["Z", "Y"], **given)
    x = oracle.pack(Z=Z, Y=Y)
    value, gradient = oracle.value_and_gradient(x)
    wanted = jacobian(lambda each: np.asarray(oracle.value(each)), x, ndim=1)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(value, oracle.value(1 * x))


@pytest.mark.usefixtures("always")
def test_large_matrices_are_left_to_products() -> None:
    gradient = str(derive("tr(X*A*X'*Q)", "X").result)
    extents = (("A", Extent(9, 9)), ("Q", Extent(4, 4)), ("X", Extent(4, 9)))
    large = lower((parse("tr(X*A*X'*Q)"), parse(gradient)), extents, ())
    assert large.count(VALUE) == large.count(GRADIENT) == 0


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
@pytest.mark.parametrize("batch", [(), (3,), (1000,), (2, 5)])
@pytest.mark.parametrize("shape", [(2, 2), (4, 3), (8, 8), (7, 5), (8, 9), (20, 20)])
def test_bits_depend_neither_on_layout_nor_on_what_was_asked_before(
    shape: tuple[int, int], batch: tuple[int, ...], dtype: Any
) -> None:
    n, m = shape
    rng = np.random.default_rng(1)
    X, A, Q = (rng.normal(size=(*batch, *s)).astype(dtype) for s in ((n, m), (m, m), (n, n)))
    wanted = Oracle("tr(X*A*X'*Q)", "X", A=A, Q=Q).value_and_gradient(X)
    for k, lies in enumerate(LAYOUTS):
        oracle = Oracle("tr(X*A*X'*Q)", "X", A=LAYOUTS[k - 1](A), Q=lies(Q))
        x = LAYOUTS[k - 2](X)
        np.testing.assert_array_equal(oracle.value(x), wanted[0])
        np.testing.assert_array_equal(oracle.gradient(x), wanted[1])
        oracle.value(0 * X)
        both = oracle.value_and_gradient(x)
        np.testing.assert_array_equal(both[0], wanted[0])
        np.testing.assert_array_equal(both[1], wanted[1])
        np.testing.assert_array_equal(oracle.value(x), wanted[0])


@pytest.mark.parametrize("text", ["tr(X*A*X'*Q)^2", "exp(tr(X*A*X'*Q)/100)"])
@pytest.mark.parametrize("n", [5, 8])
def test_hessian_products_change_no_bit(text: str, n: int) -> None:
    rng = np.random.default_rng(3)
    X, A, Q = rng.normal(size=(3, 20, n, n))
    first, second = (Oracle(text, "X", A=A, Q=Q) for _ in range(2))
    second.prepare()
    wanted, found = first.value_and_gradient(X), second.value_and_gradient(X)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


@pytest.mark.parametrize("shape", [(2, 5), (5, 2), (8, 8), (9, 9)])
def test_a_problem_alone_has_the_bits_that_it_has_in_a_batch(shape: tuple[int, int]) -> None:
    n, m = shape
    rng = np.random.default_rng(4)
    X, A, Q = (rng.normal(size=s) for s in ((5, n, m), (m, m), (n, n)))
    value, gradient = Oracle("tr(X*A*X'*Q)", "X", A=A, Q=Q).value_and_gradient(X)
    for part in (slice(4, 5), slice(3, 5)):
        found = Oracle("tr(X*A*X'*Q)", "X", A=A, Q=Q).value_and_gradient(X[part])
        np.testing.assert_array_equal(found[0], value[part])
        np.testing.assert_array_equal(found[1], gradient[part])


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 2), (4, 3), (8, 8), (7, 5)])
def test_an_oracle_has_the_bits_of_the_kernel(shape: tuple[int, int], dtype: Any) -> None:
    n, m = shape
    rng = np.random.default_rng(1)
    X, A, Q = (rng.normal(size=(50, *s)).astype(dtype) for s in ((n, m), (m, m), (n, n)))
    found = Oracle("tr(X*A*X'*Q)", "X", A=A, Q=Q).value_and_gradient(X)
    for one, other in zip(found, kernels.quadratic_trace_and_gradient(X, A, Q), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_executor_has_both(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    whole = with_gradient("tr(X*A*X'*Q)")
    A, Q, X = (rng.normal(size=(5, *SHAPES[name])).astype(dtype) for name in "AQX")
    if np.dtype(dtype).kind == "c":
        A, Q, X = (each + 1j * each[::-1] for each in (A, Q, X))
    value, gradient = prepare(whole, np.dtype(dtype))([A, Q, X])
    wanted = Q @ X @ A + Q.mT @ X @ A.mT
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(gradient, wanted, rtol=tolerance, atol=tolerance)
    half = np.einsum("bij,bij->b", X, wanted) / 2
    np.testing.assert_allclose(value[:, 0, 0], half, rtol=tolerance, atol=10 * tolerance)
