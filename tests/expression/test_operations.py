"""The operations of the executor, each against NumPy."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad.expression.executor import VIEWS
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.lowering import OF_MATRIX
from matgrad.expression.operations import CONSTANTS, OPERATIONS, UFUNCS, factorisation
from tests.expression.programs import program_of

Array = NDArray[Any]

# The operations with several operands.
BINARY = {"add", "subtract", "multiply", "divide", "power", "product", "solve", "kron"} | {
    "trace_product",
    "quadratic_trace",
    "quadratic_trace_gradient",
    "matrix_power",
}

rng = np.random.default_rng(5)
A, B = rng.normal(size=(2, 4, 3, 3))
X = rng.normal(size=(4, 3, 2))


def test_there_is_an_operation_for_every_elementwise_function() -> None:
    elementwise = {name for name, record in FUNCTIONS.items() if record.elementwise is not None}
    assert elementwise <= {*OPERATIONS, *UFUNCS}
    assert not {*OPERATIONS} & {*UFUNCS}
    assert not {*CONSTANTS} & {*OPERATIONS, *UFUNCS}


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("transpose", (X,), X.swapaxes(1, 2)),
        ("product", (A, X), A @ X),
        ("trace", (A,), np.trace(A, axis1=1, axis2=2)[:, None, None]),
        ("trace_product", (X.mT, X), np.einsum("bij,bij->b", X, X)[:, None, None]),
        ("sum", (X,), X.sum(axis=(1, 2), keepdims=True)),
        ("norm", (X,), np.linalg.norm(X, axis=(1, 2), keepdims=True)),
        ("squared_norm", (X,), np.sum(X**2, axis=(1, 2), keepdims=True)),
        ("norm1", (X,), np.abs(X).sum(axis=(1, 2), keepdims=True)),
        ("diagonal", (A,), np.stack([np.diag(a)[:, None] for a in A])),
        ("diagonal_matrix", (X[..., :1],), np.stack([np.diag(x[:, 0]) for x in X])),
        ("vec", (X,), np.stack([x.ravel("F")[:, None] for x in X])),
        ("kron", (A, X), np.stack([np.kron(a, x) for a, x in zip(A, X, strict=True)])),
        ("kron", (A[0], X), np.stack([np.kron(A[0], x) for x in X])),
    ],
)
def test_an_operation_is_that_of_numpy(
    operation: str, arguments: tuple[Array, ...], expected: Array
) -> None:
    np.testing.assert_allclose(OPERATIONS[operation](*arguments), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("batches", [("A", "B"), ("A", ""), ("", "B")])
@pytest.mark.parametrize(
    "shape", [(8, 8, 8), (20, 3, 2), (50, 8, 1), (1, 8, 1), (1, 8, 5), (70, 6, 2), (70, 6, 1)]
)
def test_large_batches_are_multiplied_as_by_numpy(
    shape: tuple[int, int, int], batches: tuple[str, str], dtype: type
) -> None:
    m, k, n = shape
    A: Array = rng.normal(size=((300,) if batches[0] else ()) + (m, k)).astype(dtype)
    B: Array = rng.normal(size=((300,) if batches[1] else ()) + (k, n)).astype(dtype)
    for factor in (A, A.mT.copy().mT):
        C = OPERATIONS["product"](factor, B)
        assert C.dtype == dtype
        allowed = 100 * k * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(C, factor @ B, rtol=0, atol=allowed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(30, 40, 50), (300, 40, 50), (1, 200, 200), (200, 200, 1)])
def test_two_matrices_are_multiplied_as_by_numpy(shape: tuple[int, int, int], dtype: type) -> None:
    m, k, n = shape
    A: Array = rng.normal(size=(m, k)).astype(dtype)
    B: Array = rng.normal(size=(k, n)).astype(dtype)
    C = OPERATIONS["product"](A, B)
    assert C.dtype == dtype
    np.testing.assert_allclose(C, A @ B, rtol=0, atol=100 * k * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(300, 50, 1), (300, 5, 7), (300, 0, 7), (40, 80, 80)])
def test_large_batches_are_added_as_by_numpy(shape: tuple[int, ...], dtype: type) -> None:
    X: Array = rng.normal(size=shape).astype(dtype)
    for each in (X, X.mT):
        total = OPERATIONS["sum"](each)
        assert total.dtype == dtype
        expected = each.sum(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(total, expected, atol=1e4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("k", [-2, -1, 0, 1, 2, 5])
def test_a_matrix_power_is_that_of_numpy(k: int) -> None:
    value = OPERATIONS["matrix_power"](A, np.full((1, 1), float(k)))
    np.testing.assert_allclose(value, np.linalg.matrix_power(A, k), rtol=1e-9)


ONE_OPERAND = sorted({*OPERATIONS, *UFUNCS} - VIEWS - BINARY)


@pytest.mark.parametrize("operation", ONE_OPERAND)
@pytest.mark.parametrize("n", [1, 3])
def test_all_but_views_return_new_arrays(operation: str, n: int) -> None:
    X = np.ones((4, n, 1 if operation == "diagonal_matrix" else n))
    result = {**OPERATIONS, **UFUNCS}[operation](X)
    assert not np.shares_memory(result, X)


@pytest.mark.parametrize("operation", sorted(BINARY))
def test_all_operations_on_several_return_new_arrays(operation: str) -> None:
    X, one = np.ones((4, 1, 1)), np.ones((1, 1))
    operands = {
        "quadratic_trace": (X, X, X),
        "quadratic_trace_gradient": (X, X, X),
        "matrix_power": (X, one),
    }.get(operation, (X, X))
    result = {**OPERATIONS, **UFUNCS}[operation](*operands)
    assert not any(np.shares_memory(result, operand) for operand in operands)


def test_a_quadratic_trace_is_that_of_its_product() -> None:
    C = rng.normal(size=(4, 2, 2))
    value = OPERATIONS["quadratic_trace"](X, C, A)
    expected = np.trace(X @ C @ X.mT @ A, axis1=1, axis2=2)
    np.testing.assert_allclose(value[:, 0, 0], expected, rtol=1e-11)


@pytest.mark.parametrize(
    "wanted",
    [
        ("det",),
        ("logdet",),
        ("inverse",),
        ("adjugate",),
        ("adjugate", "det"),
        ("logdet", "inverse"),
        ("inverse", "det"),
        ("det", "logdet"),
        ("logdet", "inverse", "det"),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 6])
def test_a_factorisation_gives_what_is_wanted_in_that_order(
    wanted: tuple[str, ...], n: int
) -> None:
    A = rng.normal(size=(4, n, n))
    det, inverse = np.linalg.det(A)[:, None, None], np.linalg.inv(A)
    expected = {
        "det": det,
        "logdet": np.log(np.abs(det)),
        "inverse": inverse,
        "adjugate": det * inverse,
    }
    for what, value in zip(wanted, factorisation(wanted)(A), strict=True):
        np.testing.assert_allclose(value, expected[what], rtol=1e-9)


def test_all_that_a_matrix_is_asked_for_has_a_name() -> None:
    for function, what in OF_MATRIX.items():
        assert program_of(f"{function}(A)").instructions[0].attributes == (what,)
