"""Elimination against exact fractions: n = 5 to 8 and a little beyond, whatever the condition."""

from fractions import Fraction
from functools import cache
from types import ModuleType

import numpy as np
import pytest

from tests.linalg.judges import (
    adjugate_bound,
    assert_close,
    conditioned_tolerance,
    det_bound,
    exact_det_and_adjugate,
    normwise_error,
    relative_error,
    unit_roundoff,
)
from tests.linalg.samples import Array, graded, of_rank

ELIMINATED = [5, 6, 7, 8, 11]


@cache
def judged(n: int) -> tuple[Array, Array, Array]:
    """Return ordinary, graded, badly scaled and integer matrices, dets and adjugates."""
    rng = np.random.default_rng(n)
    normal = list(rng.normal(size=(4, n, n)))
    drops = (3, 6, 9, 12, 15)
    evenly = [graded(rng, np.logspace(0, -k, n)) for k in drops]
    at_once = [graded(rng, np.r_[np.ones(n - 1), 10.0**-k]) for k in drops]
    scaled = list(rng.normal(size=(4, n, n)) * 10.0 ** rng.integers(-9, 9, (4, 1, n)))
    whole = [of_rank(rng, n, rank) for rank in (n, n, n - 1)]
    X = np.array([*normal, *evenly, *at_once, *scaled, *whole])
    pairs = [exact_det_and_adjugate(x) for x in X]
    dets = np.array([float(det) for det, _ in pairs])
    return X, dets, np.array([adjugate.astype(np.float64) for _, adjugate in pairs])


@pytest.mark.parametrize("n", ELIMINATED)
def test_det_is_that_of_a_matrix_nearby(kernels: ModuleType, n: int) -> None:
    X, dets, _ = judged(n)
    assert_close(kernels.det(X), dets, det_bound(X))
    assert_close(kernels.det_and_gradient(X)[0], dets, det_bound(X))
    for sign, logabsdet, *_ in (kernels.slogdet(X), kernels.slogdet_and_gradient(X)):
        assert_close(sign * np.exp(logabsdet), dets, 50 * det_bound(X))


@pytest.mark.parametrize("n", ELIMINATED)
def test_adjugate_is_that_of_a_matrix_nearby(kernels: ModuleType, n: int) -> None:
    X, _, adjugates = judged(n)
    assert_close(kernels.adjugate(X), adjugates, adjugate_bound(X))
    assert_close(kernels.det_and_gradient(X)[1].mT, adjugates, adjugate_bound(X))


@pytest.mark.parametrize("n", ELIMINATED)
def test_inverse_is_off_by_the_condition_at_most(kernels: ModuleType, n: int) -> None:
    X, dets, adjugates = judged(n)
    X, dets, adjugates = (a[dets != 0] for a in (X, dets, adjugates))
    # Column scaling passes through elimination, so the condition that counts is without it.
    scales = np.linalg.norm(X, axis=-2)[..., None]
    exact = scales * adjugates / dets[:, None, None]
    tolerance = conditioned_tolerance(X / scales.mT, exact) * np.linalg.norm(exact, axis=(-2, -1))
    for got in (kernels.inv(X), kernels.slogdet_and_gradient(X)[2].mT):
        assert_close(scales * got, exact, tolerance[:, None, None])


@pytest.mark.parametrize("n", [5, 6, 9, 13, 39])
def test_tiny_rows_before_a_large_last_one_keep_their_pivots(
    kernels: ModuleType, rng: np.random.Generator, n: int
) -> None:
    X = np.zeros((n, n))
    X[:-1, 1:] = 1e-20 * rng.integers(1, 8, size=(n - 1, n - 1))
    X[-1], X[-1, 0] = 1, 49
    minor = np.linalg.det(X[:-1, 1:] * 1e20)
    batch = np.stack([X] * 17)
    assert_close(kernels.det(X), (-1) ** (n - 1) * 49 * minor * 1e-20 ** (n - 1), 1e-9)
    np.testing.assert_array_equal(kernels.det(batch), np.full(17, kernels.det(X)))
    np.testing.assert_array_equal(kernels.inv(batch)[16], kernels.inv(X))
    assert np.isfinite(kernels.inv(X)).all()


def promised_det(X: Array, fused: bool) -> float:
    """Return det X by the arithmetic that elimination.pxd promises: in exact fractions, rounded."""
    rows = [[float(x) for x in row] for row in X]
    det = 1.0
    for k in range(len(rows)):
        p = max(range(len(rows)), key=lambda i: abs(rows[i][k]))
        pivot = rows.pop(p)
        det = -det if p % 2 else det
        det *= pivot[k]
        for row in rows:
            factor = Fraction(row[k] * (1 / pivot[k]))
            for j in range(k + 1, len(row)):
                product = factor * Fraction(pivot[j])
                row[j] = float(Fraction(row[j]) - (product if fused else Fraction(float(product))))
    return det


@pytest.mark.parametrize("whole", [False, True], ids=["normal", "ties"])
@pytest.mark.parametrize("n", [36, 45])
def test_det_has_the_bits_of_the_promised_arithmetic(
    kernels: ModuleType, rng: np.random.Generator, n: int, whole: bool
) -> None:
    X = rng.integers(-2, 3, size=(n, n)).astype(float) if whole else rng.normal(size=(n, n))
    expected = promised_det(X, fused=kernels.instruction_set != "x86_64_v2")
    assert kernels.det(X) == expected
    np.testing.assert_array_equal(kernels.det(np.stack([X] * 9)), expected)


@pytest.mark.parametrize("n", [5, 20, 36, 70, 130, 210])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_zero_pivot_leaves_the_signs_of_zeros(kernels: ModuleType, n: int, dtype: str) -> None:
    X = np.eye(n, dtype=dtype)
    X[-2, -2:] = 0, 1
    X[-1, -1] = -0.0
    assert kernels.det(X) == 0
    assert np.signbit(kernels.det(X))
    np.testing.assert_array_equal(np.signbit(kernels.det(np.stack([X] * 17))), np.full(17, True))


@pytest.mark.parametrize("noise", [0, 1e-12])
def test_typical_adjugate_of_a_singular_matrix_is_off_by_a_few_roundings(
    kernels: ModuleType, rng: np.random.Generator, noise: float
) -> None:
    X = rng.normal(size=(50, 6, 6))
    X[:, :, 3] = X[:, :, [0, 1, 2, 4, 5]] @ rng.normal(size=5)
    X += noise * rng.normal(size=X.shape)
    exact = [exact_det_and_adjugate(x)[1] for x in X]
    errors = [normwise_error(*pair) for pair in zip(kernels.adjugate(X), exact, strict=True)]
    assert np.median(errors) <= 10 * unit_roundoff(np.float64)


def test_typical_errors_are_those_of_lapack(kernels: ModuleType, rng: np.random.Generator) -> None:
    X = rng.normal(size=(50, 8, 8))
    exact = [exact_det_and_adjugate(x) for x in X]
    dets, inverses = [det for det, _ in exact], [adjugate / det for det, adjugate in exact]

    def typical(det: Array, inverse: Array) -> tuple[float, float]:
        det_errors = [relative_error(*pair) for pair in zip(det, dets, strict=True)]
        inverse_errors = [normwise_error(*pair) for pair in zip(inverse, inverses, strict=True)]
        return float(np.median(det_errors)), float(np.median(inverse_errors))

    ours = typical(kernels.det(X), kernels.inv(X))
    lapack = typical(np.linalg.det(X), np.linalg.inv(X))
    assert ours[0] <= 2 * lapack[0]
    assert ours[1] <= 2 * lapack[1]
