from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import matgrad
from matgrad import linalg
from matgrad.commands.bench.cases import OPERATIONS, SAMPLE_ENTRIES, Case, fitting

Array = npt.NDArray[Any]


def outputs(case: Case) -> tuple[Array, ...]:
    results = getattr(linalg, case.operation)(*case.arguments())
    return results if isinstance(results, tuple) else (results,)


def test_the_operations_are_all_the_kernels() -> None:
    kernels = {name for name in matgrad.__all__ if isinstance(getattr(matgrad, name), np.ufunc)}
    assert set(OPERATIONS) == kernels


@pytest.mark.parametrize("operation", OPERATIONS)
def test_bytes_are_those_of_the_arguments_and_results(operation: str) -> None:
    case = Case(operation, 6, "float32", 5)
    arrays = [*case.arguments(), *outputs(case)]
    unread = 5 * (36 - 6) * 4 if operation == "trace" else 0
    assert case.bytes == sum(array.nbytes for array in arrays) - unread


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 16, 64])
def test_matrices_are_well_conditioned_and_their_determinants_vary(n: int, dtype: str) -> None:
    (X,) = Case("det", n, dtype, 20).arguments()
    assert X.shape == (20, n, n)
    assert X.dtype == dtype
    assert np.max(np.linalg.cond(X)) < 4.001
    determinants = np.linalg.det(X.astype("float64"))
    assert len(set(np.sign(determinants))) == 2
    assert np.max(np.abs(np.log2(np.abs(determinants)))) < 1.001
    assert np.ptp(np.abs(determinants)) > 0.5


def test_a_large_batch_repeats_a_sample() -> None:
    size = SAMPLE_ENTRIES // 64**2
    (X,) = Case("inv", 64, "float64", 2 * size + 1).arguments()
    assert np.array_equal(X[:size], X[size : 2 * size])
    assert np.array_equal(X[0], X[-1])
    assert not np.array_equal(X[0], X[1])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("n", [1, 2, 3, 8])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_results_are_within_what_is_allowed(operation: str, n: int, dtype: str) -> None:
    case = Case(operation, n, dtype, 20_000)
    assert case.error(outputs(case)) < 0.5


def last_is_nan(G: Array) -> Array:
    G[-1] = np.nan
    return G


MUTANTS: dict[str, Callable[[Array], Array]] = {
    "twice": lambda G: 2 * G,
    "zero": np.zeros_like,
    "the other layout": lambda G: G.mT,
    "one matrix at the end of the batch": last_is_nan,
    "one matrix short": lambda G: G[:-1],
    "float32 inside float64": lambda G: G.astype("float32").astype("float64"),
    "another dtype": lambda G: G.astype("float32"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
@pytest.mark.parametrize(
    "operation", ["det_and_gradient", "slogdet_and_gradient", "quadratic_trace_and_gradient"]
)
def test_wrong_results_are_not_allowed(operation: str, mutant: str) -> None:
    case = Case(operation, 5, "float64", 20_000)
    *values, gradient = outputs(case)
    assert case.error((*values, MUTANTS[mutant](gradient))) > 1


def test_a_missing_result_is_not_allowed() -> None:
    case = Case("det_and_gradient", 5, "float64", 2)
    assert case.error(outputs(case)[:1]) == np.inf


def test_a_fitting_case_fills_the_room_or_is_the_least() -> None:
    assert fitting("quadratic_trace", 4, "float32", room=3 * 64 * 100, least=16).batch == 100
    assert fitting("det", 512, "float64", room=2**20, least=16).batch == 16
