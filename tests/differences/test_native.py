"""Finite differences of the kernels, against exact cofactors, formulas and the general path."""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import matgrad
from matgrad._native import instruction_sets, load
from matgrad.differences import EvaluationError, central_differences, jacobian
from matgrad.differences.native import SWEEPS
from tests.linalg.judges import exact_det_and_adjugate

RNG = np.random.default_rng(11)
DTYPES = [np.float32, np.float64]


@pytest.fixture(scope="module", params=instruction_sets())
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    """Return the module of kernels of one instruction set."""
    return load(request.param)


def off(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest error in units of the roundoff, relative to the largest entry."""
    scale = np.abs(expected).max(axis=(-2, -1), keepdims=True)
    u = float(np.finfo(found.dtype).eps) / 2
    return float((np.abs(found.astype(float) - expected) / scale).max() / u)


@pytest.mark.parametrize("n", range(1, 9))
def test_differences_of_det_are_the_exact_cofactors(kernels: ModuleType, n: int) -> None:
    X = RNG.integers(-9, 10, (3, n, n)).astype(float)
    found = kernels.det_differences(X)
    for each, matrix in zip(found, X, strict=True):
        expected = exact_det_and_adjugate(matrix)[1].astype(float).T
        np.testing.assert_allclose(each, expected, atol=1e-13 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33])
def test_differences_are_the_gradients(
    kernels: ModuleType, n: int, dtype: type[np.floating]
) -> None:
    m = n + 2
    X, A, Q = (RNG.normal(size=(4, *shape)).astype(dtype) for shape in ((n, m), (m, m), (n, n)))
    S = Q + 3 * np.sqrt(n) * np.eye(n, dtype=dtype)
    double = [each.astype(float) for each in (X, A, Q, S)]
    x, a, q, s = double
    gradient = q.mT @ x @ a.mT + q @ x @ a
    assert off(kernels.quadratic_trace_differences(X, A, Q), gradient) < 30 * n * m
    assert off(kernels.trace_product_differences(X.mT, X), x) < 30 * n * m
    assert off(kernels.trace_differences(Q), np.broadcast_to(np.eye(n), Q.shape)) < 30 * n
    inverse = np.linalg.inv(s).mT
    assert off(kernels.slogdet_differences(S), inverse) < 60 * n
    det = np.linalg.det(s)[:, None, None]
    assert off(kernels.det_differences(S), det * inverse) < 60 * n


def test_a_gradient_of_det_exists_at_singular_matrices(kernels: ModuleType) -> None:
    X = np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0], [5.0, 6.0, 7.0]])
    np.testing.assert_allclose(
        kernels.det_differences(X), exact_det_and_adjugate(X)[1].astype(float).T, atol=1e-14
    )
    rank_one = np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 2.0])
    np.testing.assert_allclose(kernels.det_differences(rank_one), 0, atol=1e-14)
    X[:, 0] = 0
    assert kernels.det_differences(X)[2, 0] == -2
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(kernels.slogdet_differences(X)).all()


@pytest.mark.parametrize("name", ["det_differences", "slogdet_differences"])
def test_a_matrix_with_a_nan_spoils_no_other(kernels: ModuleType, name: str) -> None:
    X = RNG.normal(size=(3, 6, 6))
    clean = getattr(kernels, name)(X)
    X[1, 2, 3] = np.nan
    found = getattr(kernels, name)(X)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("shape", [(0, 0), (3, 0, 0), (0, 4, 4)])
def test_nothing_has_no_differences(kernels: ModuleType, shape: tuple[int, ...]) -> None:
    for name in ("det_differences", "slogdet_differences", "trace_differences"):
        assert getattr(kernels, name)(np.ones(shape)).shape == shape


def test_strides_and_threads_change_no_bit() -> None:
    X = RNG.normal(size=(50, 2, 9, 9))[:, 0].mT
    plain = central_differences(matgrad.det, np.ascontiguousarray(X))
    np.testing.assert_array_equal(central_differences(matgrad.det, X), plain)
    threads = matgrad.get_num_threads()
    try:
        matgrad.set_num_threads(1)
        np.testing.assert_array_equal(central_differences(matgrad.det, X), plain)
    finally:
        matgrad.set_num_threads(threads)


def test_integers_are_float64() -> None:
    assert central_differences(matgrad.trace, [[1, 2], [3, 4]]).dtype == np.float64


def test_a_kernel_without_a_sweep_is_named() -> None:
    with pytest.raises(ValueError, match=r"central_differences knows det, .*; got <ufunc 'inv'>"):
        central_differences(matgrad.inv, np.eye(2))
    with pytest.raises(ValueError, match=r"det_differences.*\(n,n\)->\(n,n\)"):
        central_differences(matgrad.det, np.ones((2, 3)))


@pytest.mark.parametrize("kernel", SWEEPS, ids=lambda kernel: kernel.__name__)
def test_every_sweep_takes_what_its_kernel_takes(kernel: np.ufunc) -> None:
    pair = [str(each.signature).split("->") for each in (kernel, SWEEPS[kernel])]
    assert pair[0][0] == pair[1][0]


A = RNG.normal(size=(5, 3, 4))
CASES: list[tuple[Any, np.ndarray]] = [
    (matgrad.det, RNG.normal(size=(5, 4, 4))),
    (matgrad.trace, RNG.normal(size=(5, 4, 4))),
    (partial(matgrad.trace_product, A), RNG.normal(size=(5, 4, 3))),
]


@pytest.mark.parametrize(("f", "X"), CASES)
def test_jacobian_sends_kernels_to_the_sweep(f: Any, X: np.ndarray) -> None:
    native = jacobian(f, X, ndim=2)
    general = jacobian(lambda X: f(X), X, ndim=2, structure="affine")
    np.testing.assert_allclose(native, general, rtol=1e-12, atol=1e-12)
    kernel: Any = f.func if isinstance(f, partial) else f
    bound: Any = f.args if isinstance(f, partial) else ()
    np.testing.assert_array_equal(native, central_differences(kernel, *bound, X))


def test_jacobian_leaves_a_result_that_is_not_finite_to_the_general_path() -> None:
    X = np.stack([np.eye(3), 1e200 * np.eye(3)])
    with np.errstate(over="ignore"), pytest.raises(EvaluationError, match=r"\(1,\)"):
        jacobian(matgrad.det, X, ndim=2)


B = RNG.normal(size=(4, 3))
REFUSED: list[tuple[Any, np.ndarray]] = [
    (partial(matgrad.trace_product, 1j * A), CASES[2][1]),
    (partial(matgrad.trace_product, A.astype(np.longdouble)), CASES[2][1]),
    (partial(matgrad.trace_product, A), B[None]),
    (partial(matgrad.trace_product, A), B),
    (partial(matgrad.trace_product), B),
    (matgrad.det, np.ones((2, 3))),
    (matgrad.det, np.ones((0, 2, 2))),
]


@pytest.mark.parametrize(("f", "X"), REFUSED)
def test_jacobian_leaves_what_the_sweep_refuses_to_the_general_path(f: Any, X: Any) -> None:
    def outcome(f: Any) -> Any:
        try:
            return jacobian(f, X, ndim=2)
        except (TypeError, ValueError) as error:
            return repr(error)

    native, general = outcome(f), outcome(lambda X: f(X))
    if isinstance(general, str):
        assert native == general
    else:
        np.testing.assert_allclose(native, general, atol=1e-8)


def test_jacobian_reports_the_progress_of_kernels_too() -> None:
    told = []
    jacobian(matgrad.det, np.eye(2), ndim=2, progress=lambda *done: told.append(done))
    assert told[-1] == (4, 4)
