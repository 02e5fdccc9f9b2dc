"""Every size and both precisions against NumPy, on ordinary matrices."""

from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from tests.linalg.judges import assert_close, conditioned_tolerance, unit_roundoff
from tests.linalg.samples import SIGNATURES, Array, arguments_of, numbers

SIZES = [*range(21), 24, *range(28, 42), 48, *range(63, 74), *range(95, 131), 200, 257, 511, 512]
RECTANGLES = [(0, 0), (0, 3), (3, 0), (1, 1), (1, 7), (7, 1), (17, 4), (4, 17), (16, 33)]
RECTANGLES += [(64, 10), (70, 65)]
RECTANGLES += [(n, m) for n in range(2, 10) for m in range(2, 10)]

precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])
sizes = pytest.mark.parametrize("n", SIZES)
rectangles = pytest.mark.parametrize(("n", "m"), RECTANGLES)


class Judged(NamedTuple):
    """A batch of matrices, and what NumPy says of them in float64."""

    X: Array
    det: Array
    sign: Array
    logabsdet: Array
    inverse: Array
    tolerance: Array


@cache
def judged(n: int, dtype: str) -> Judged:
    """Return a batch that does not fill the lanes."""
    batch = 19 if n <= 20 else 9 if n <= 65 else 3
    X = numbers(np.random.default_rng(n), (batch, n, n), dtype)
    Y = X.astype(np.float64)
    inverse = np.linalg.inv(Y)
    tolerance = conditioned_tolerance(X, inverse)
    return Judged(X, np.linalg.det(Y), *np.linalg.slogdet(Y), inverse, tolerance)


def assert_relative(got: Array, exact: Array, tolerance: Array) -> None:
    """Assert closeness of numbers or, in the Frobenius norm, of matrices."""
    if exact.ndim == 1:
        assert_close(got, exact, tolerance * abs(exact))
    else:
        bound = tolerance * np.linalg.norm(exact, axis=(1, 2))
        assert_close(got, exact, bound[:, None, None])


def assert_sign_and_log(judge: Judged, sign: Array, logabsdet: Array) -> None:
    np.testing.assert_array_equal(sign, judge.sign)
    rounding = 2 * unit_roundoff(judge.X.dtype) * abs(judge.logabsdet)
    assert_close(logabsdet, judge.logabsdet, judge.tolerance + rounding)


@sizes
@precisions
def test_determinants(kernels: ModuleType, n: int, dtype: str) -> None:
    judge = judged(n, dtype)
    assert_relative(kernels.det(judge.X), judge.det, judge.tolerance)
    assert_sign_and_log(judge, *kernels.slogdet(judge.X))


@sizes
@precisions
def test_inverses_and_adjugates(kernels: ModuleType, n: int, dtype: str) -> None:
    judge = judged(n, dtype)
    adjugate = judge.det[:, None, None] * judge.inverse
    assert_relative(kernels.inv(judge.X), judge.inverse, judge.tolerance)
    assert_relative(kernels.adjugate(judge.X), adjugate, judge.tolerance)


@sizes
@precisions
def test_values_with_gradients(kernels: ModuleType, n: int, dtype: str) -> None:
    judge = judged(n, dtype)
    adjugate = judge.det[:, None, None] * judge.inverse
    det, gradient = kernels.det_and_gradient(judge.X)
    assert_relative(det, judge.det, judge.tolerance)
    assert_relative(gradient, adjugate.mT, judge.tolerance)
    sign, logabsdet, gradient = kernels.slogdet_and_gradient(judge.X)
    assert_sign_and_log(judge, sign, logabsdet)
    assert_relative(gradient, judge.inverse.mT, judge.tolerance)


@sizes
@precisions
def test_trace(kernels: ModuleType, n: int, dtype: str) -> None:
    X = judged(n, dtype).X
    Y = X.astype(np.float64)
    bound = n * unit_roundoff(dtype) * abs(Y).trace(axis1=1, axis2=2)
    assert_close(kernels.trace(X), Y.trace(axis1=1, axis2=2), bound)


@rectangles
@precisions
def test_trace_product(
    kernels: ModuleType, rng: np.random.Generator, n: int, m: int, dtype: str
) -> None:
    A, X = arguments_of("trace_product", rng, n, (11,), dtype, m=m)
    exact = np.einsum("bij,bji->b", A.astype(np.float64), X.astype(np.float64))
    largest = np.einsum("bij,bji->b", abs(A), abs(X))
    assert_close(kernels.trace_product(A, X), exact, 2 * n * m * unit_roundoff(dtype) * largest)


@rectangles
@precisions
def test_quadratic_trace_and_its_gradient(
    kernels: ModuleType, rng: np.random.Generator, n: int, m: int, dtype: str
) -> None:
    arguments = arguments_of("quadratic_trace", rng, n, (11,), dtype, m=m)
    X, A, Q = (a.astype(np.float64) for a in arguments)
    value = np.trace(X @ A @ X.mT @ Q, axis1=1, axis2=2)
    gradient = Q.mT @ X @ A.mT + Q @ X @ A
    X, A, Q = abs(X), abs(A), abs(Q)
    rounding = 4 * (n + m) * unit_roundoff(dtype)
    value_bound = n * rounding * np.trace(X @ A @ X.mT @ Q, axis1=1, axis2=2)
    assert_close(kernels.quadratic_trace(*arguments), value, value_bound)
    got_value, got_gradient = kernels.quadratic_trace_and_gradient(*arguments)
    assert_close(got_value, value, value_bound)
    np.testing.assert_array_equal(got_value, kernels.quadratic_trace(*arguments))
    assert_close(got_gradient, gradient, rounding * (Q.mT @ X @ A.mT + Q @ X @ A))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
def test_gradients_are_the_differences_of_exact_arithmetic(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    # On integers a central difference of a quadratic function, step 1, has no error at all.
    X, A, Q = (a.astype(np.int64) for a in arguments_of("quadratic_trace", rng, n, dtype=np.int8))
    expected = np.empty(X.shape)
    for i, j in np.ndindex(X.shape):
        E = np.zeros_like(X)
        E[i, j] = 1
        above, below = (np.trace(Y @ A @ Y.T @ Q) for Y in (X + E, X - E))
        expected[i, j] = (above - below) / 2
    value, gradient = kernels.quadratic_trace_and_gradient(X, A, Q)
    assert value == np.trace(X @ A @ X.T @ Q)
    np.testing.assert_array_equal(gradient, expected)


def test_kernels_are_ufuncs_of_the_promised_signatures(kernels: ModuleType, name: str) -> None:
    kernel = getattr(kernels, name)
    assert type(kernel) is np.ufunc
    assert kernel.__name__ == name
    assert kernel.signature == SIGNATURES[name]


def test_batches_broadcast(kernels: ModuleType, rng: np.random.Generator) -> None:
    A, X = rng.normal(size=(5, 1, 2, 3)), rng.normal(size=(4, 3, 2))
    expected = np.trace(A @ X, axis1=-2, axis2=-1)
    np.testing.assert_allclose(kernels.trace_product(A, X), expected, rtol=1e-13)
    X, A, Q = rng.normal(size=(6, 1, 3, 2)), rng.normal(size=(2, 2)), rng.normal(size=(4, 3, 3))
    value, gradient = kernels.quadratic_trace_and_gradient(X, A, Q)
    np.testing.assert_allclose(value, np.trace(X @ A @ X.mT @ Q, axis1=-2, axis2=-1), rtol=1e-12)
    np.testing.assert_allclose(gradient, Q.mT @ X @ A.T + Q @ X @ A, rtol=1e-12)
    assert kernels.slogdet_and_gradient(rng.normal(size=(2, 0, 5, 3, 3)))[2].shape == (
        2,
        0,
        5,
        3,
        3,
    )
