"""Floats keep their precision, integers become float64, other types are refused by name."""

from types import ModuleType

import numpy as np
import pytest

from tests.linalg.judges import assert_same_bits, exact_det_and_adjugate
from tests.linalg.samples import arguments_of, results

INTEGERS = [np.bool_, np.int8, np.int16, np.int32, np.int64]
INTEGERS += [np.uint8, np.uint16, np.uint32, np.uint64]
REFUSED = [np.float16, np.longdouble, np.clongdouble, object]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_precision(
    kernel: np.ufunc, rng: np.random.Generator, name: str, dtype: type[np.floating]
) -> None:
    for n in (0, 1, 3, 4, 5, 20):
        for batch in ((), (7,)):
            for result in results(kernel, *arguments_of(name, rng, n, batch, dtype)):
                assert result.dtype == dtype


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_and_truth_values_count_as_float64(
    kernel: np.ufunc, rng: np.random.Generator, name: str, dtype: type[np.generic]
) -> None:
    for n in (0, 1, 3, 4, 5, 9):
        arguments = arguments_of(name, rng, n, (7,), dtype)
        with np.errstate(invalid="ignore"):
            expected = results(kernel, *(a.astype(np.float64) for a in arguments))
            assert_same_bits(results(kernel, *arguments), expected)
        assert all(result.dtype == np.float64 for result in expected)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint8])
def test_small_integers_do_not_wrap(kernels: ModuleType, dtype: type[np.integer]) -> None:
    X = np.array([[100, 1], [2, 100]], dtype)
    assert kernels.det(X) == 9998
    assert kernels.trace(X) == 200
    assert kernels.trace_product(X, X) == 20004


def test_lists_are_matrices(kernels: ModuleType) -> None:
    assert kernels.det([[1, 2], [3, 4]]) == -2
    np.testing.assert_array_equal(kernels.adjugate([[1, 2], [3, 4]]), [[4, -2], [-3, 1]])
    assert kernels.trace_product([[1, 2]], [[3], [4]]) == 11


def test_mixed_precisions_count_as_the_higher(
    kernels: ModuleType, rng: np.random.Generator
) -> None:
    A, X = rng.normal(size=(2, 3, 3)).astype(np.float32)
    expected = kernels.trace_product(A.astype(np.float64), X.astype(np.float64))
    assert_same_bits(kernels.trace_product(A.astype(np.float64), X), expected)
    assert_same_bits(kernels.trace_product(A, X.astype(np.float64)), expected)


def test_dtype_argument_chooses_the_precision(
    kernel: np.ufunc, rng: np.random.Generator, name: str
) -> None:
    for n in (1, 3, 5, 9):
        single = arguments_of(name, rng, n, (7,), np.float32)
        double = tuple(a.astype(np.float64) for a in single)
        assert_same_bits(results(kernel, *single, dtype=np.float64), results(kernel, *double))
        assert_same_bits(results(kernel, *double, dtype=np.float32), results(kernel, *single))


@pytest.mark.parametrize("dtype", REFUSED)
def test_other_types_are_refused_by_name(
    kernel: np.ufunc, name: str, dtype: type[np.generic]
) -> None:
    arguments = tuple(np.ones((2, 2), dtype) for _ in range(kernel.nin))
    with pytest.raises(TypeError, match=f"{np.dtype(dtype).name}|{dtype.__name__}") as refusal:
        kernel(*arguments)
    assert name in str(refusal.value)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8])
def test_gaussian_integers(kernels: ModuleType, rng: np.random.Generator, n: int) -> None:
    # |det(A + iB)|^2 is the determinant of [[A, -B], [B, A]], which exact arithmetic knows.
    A, B = rng.integers(-9, 10, (2, n, n)).astype(np.float64)
    squared = float(exact_det_and_adjugate(np.block([[A, -B], [B, A]]))[0])
    for dtype, rtol in ((np.complex64, 1e-4), (np.complex128, 1e-12)):
        X = (A + 1j * B).astype(dtype)
        np.testing.assert_allclose(abs(kernels.det(X)) ** 2, squared, rtol=rtol)
        np.testing.assert_allclose(np.exp(2 * kernels.slogdet(X)[1]), squared, rtol=rtol)
