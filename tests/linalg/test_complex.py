"""Complex matrices: the same functions, holomorphic, nothing conjugated."""

from types import ModuleType

import numpy as np
import pytest

from tests.linalg.judges import (
    assert_close,
    assert_same_bits,
    conditioned_tolerance,
    unit_roundoff,
)
from tests.linalg.samples import COMPLEX, Array, arguments_of, numbers, results

SIZES = [0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 65]

sizes = pytest.mark.parametrize("n", SIZES)
precisions = pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
kernels_of_complex = pytest.mark.parametrize("name", COMPLEX)


def norms(X: Array) -> Array:
    return np.asarray(np.linalg.norm(X, axis=(-2, -1)))[..., None, None]


@kernels_of_complex
@sizes
@precisions
def test_results_have_the_precision_of_the_input(
    kernels: ModuleType,
    rng: np.random.Generator,
    name: str,
    n: int,
    dtype: type[np.complexfloating],
) -> None:
    got = results(getattr(kernels, name), *arguments_of(name, rng, n, (3,), dtype))
    assert got[0].dtype == dtype
    if name == "slogdet":
        assert got[1].dtype == np.empty(0, dtype).real.dtype


@sizes
@precisions
def test_det_and_slogdet(
    kernels: ModuleType, rng: np.random.Generator, n: int, dtype: type[np.complexfloating]
) -> None:
    X = numbers(rng, (9, n, n), dtype)
    Y = X.astype(np.complex128)
    exact = np.linalg.det(Y)
    tolerance = 4 * conditioned_tolerance(X, np.linalg.inv(Y))
    assert_close(kernels.det(X), exact, tolerance * abs(exact))
    sign, logabsdet = kernels.slogdet(X)
    assert_close(sign, exact / abs(exact), tolerance)
    assert_close(logabsdet, np.log(abs(exact)), tolerance * (1 + abs(np.log(abs(exact)))))
    assert_close(abs(sign), np.ones(9), 4 * unit_roundoff(dtype))


@sizes
@precisions
def test_inverse_and_adjugate(
    kernels: ModuleType, rng: np.random.Generator, n: int, dtype: type[np.complexfloating]
) -> None:
    X = numbers(rng, (9, n, n), dtype)
    Y = X.astype(np.complex128)
    inverse, det = np.linalg.inv(Y), np.linalg.det(Y)[:, None, None]
    tolerance = 4 * conditioned_tolerance(X, inverse)[:, None, None]
    assert_close(kernels.inv(X), inverse, tolerance * norms(inverse))
    assert_close(kernels.adjugate(X), det * inverse, tolerance * norms(det * inverse))


@sizes
@precisions
def test_traces(
    kernels: ModuleType, rng: np.random.Generator, n: int, dtype: type[np.complexfloating]
) -> None:
    A, X = arguments_of("trace_product", rng, n, (9,), dtype)
    exact = np.einsum("bij,bji->b", A.astype(np.complex128), X.astype(np.complex128))
    largest = np.einsum("bij,bji->b", abs(A), abs(X))
    assert_close(kernels.trace_product(A, X), exact, 8 * A[0].size * unit_roundoff(dtype) * largest)
    S = numbers(rng, (9, n, n), dtype)
    bound = 4 * n * unit_roundoff(dtype) * abs(S).trace(axis1=1, axis2=2)
    assert_close(kernels.trace(S), S.astype(np.complex128).trace(axis1=1, axis2=2), bound)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
def test_real_matrices_have_the_results_of_their_real_parts(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = rng.normal(size=(9, n, n))
    det, inverse = kernels.det(X), kernels.inv(X)
    tolerance = 4 * conditioned_tolerance(X, inverse)
    assert_close(kernels.det(X + 0j), det, tolerance * abs(det))
    assert_close(kernels.inv(X + 0j), inverse, tolerance[:, None, None] * norms(inverse))
    np.testing.assert_array_equal(kernels.det(X + 0j).imag, 0)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 9])
def test_adjugate_of_rank_one_less_is_the_matrix_of_cofactors(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = rng.integers(-4, 5, (n, n)) + 1j * rng.integers(-4, 5, (n, n))
    for dependent in range(n):
        X[:, dependent] = np.delete(X, dependent, axis=1).sum(axis=1)
        minors = [np.delete(np.delete(X, i, 0), j, 1) for i, j in np.ndindex(n, n)]
        signs = (-1) ** np.add.outer(np.arange(n), np.arange(n))
        cofactors = signs * np.linalg.det(minors).reshape(n, n)
        bound = 1e-13 * np.linalg.norm(X) ** (n - 1)
        assert_close(kernels.adjugate(X), cofactors.T, bound)


@precisions
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
def test_nan_and_singular_matrices(
    kernels: ModuleType, rng: np.random.Generator, dtype: type[np.complexfloating], n: int
) -> None:
    X = numbers(rng, (9, n, n), dtype)
    alone = kernels.inv(X)
    X[3], X[6, n // 2, 0] = 0, np.nan
    with np.errstate(invalid="ignore"):
        inverse = kernels.inv(X)
    kept = ~np.isin(np.arange(9), (3, 6))
    assert np.isnan(inverse[~kept]).all()
    assert_same_bits(inverse[kept], alone[kept])
    for name in ("det", "slogdet", "adjugate"):
        for result in results(getattr(kernels, name), X):
            assert np.isnan(result[6]).all()
    assert kernels.det(X[3]) == 0
    assert kernels.slogdet(X[3]) == (0, -np.inf)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        kernels.inv(X[3])


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 20])
def test_overflow_on_the_way_does_no_harm(kernels: ModuleType, n: int) -> None:
    e = np.where(np.arange(n) % 2, -600, 600) * (np.arange(n) < n // 2 * 2)
    X = np.diag(1j * np.ldexp(1.0, e))
    det = 1j**n
    assert_close(kernels.det(X), det, 1e-15)
    assert_close(kernels.slogdet(X)[0], det, 1e-15)
    assert_close(kernels.slogdet(X)[1], 0, 1e-12 * n)
    np.testing.assert_allclose(kernels.inv(X).diagonal(), -1j * np.ldexp(1.0, -e), rtol=1e-15)


def test_permuting_the_batch_permutes_the_result(
    kernels: ModuleType, rng: np.random.Generator
) -> None:
    for name in COMPLEX:
        for n in (1, 2, 3, 4, 5, 12):
            arguments = arguments_of(name, rng, n, (15,), np.complex128)
            order = rng.permutation(15)
            permuted = results(getattr(kernels, name), *(a[order] for a in arguments))
            whole = results(getattr(kernels, name), *arguments)
            assert_same_bits(permuted, tuple(r[order] for r in whole))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
def test_arrangement_and_overlap(kernels: ModuleType, rng: np.random.Generator, n: int) -> None:
    X = numbers(rng, (9, n, n), np.complex128)
    for name in ("inv", "adjugate"):
        kernel = getattr(kernels, name)
        expected = kernel(X)
        assert_same_bits(kernel(np.asfortranarray(X)), expected)
        assert_same_bits(kernel(X[::-1].copy()[::-1]), expected)
        Y = X.copy()
        assert_same_bits(kernel(Y, out=Y.mT), expected)
