"""Every usual mistake is called by its name."""

import re
from typing import Any

import numpy as np
import pytest

import matgrad

rng = np.random.default_rng(8)
A, Q, X = rng.normal(size=(3, 4, 4))
S = X @ X.T + np.eye(4)


def f(X: Any) -> Any:
    return matgrad.quadratic_trace(X, A, Q)


def left(X: Any) -> Any:
    return Q.T @ X @ A.T


def right(X: Any) -> Any:
    return Q @ X @ A


def gradient(X: Any) -> Any:
    return left(X) + right(X)


def turned(X: Any) -> Any:
    return np.swapaxes(X, -1, -2)


def log_det(X: Any) -> Any:
    return 2 * np.log(np.linalg.cholesky(X).diagonal(0, -2, -1)).sum(-1)


def diagnosis(f: Any, gradient: Any, x: Any = X, **options: Any) -> str:
    check = matgrad.check_gradient(f, gradient, x, ndim=np.ndim(x), rng=0, **options)
    assert check.verdict == "wrong"
    return str(check.diagnosis)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("mistaken", "sentence"),
    [
        (lambda X: -gradient(X), "the sign is wrong"),
        (lambda X: 2 * gradient(X), "the derivative is 0.5 times it"),
        (lambda X: turned(gradient(X)), "transposed: it is in numerator layout"),
        (lambda X: -turned(gradient(X)), "transposed, and the sign is wrong"),
        (lambda X: 4 * turned(gradient(X)), "transposed, and a factor is missing"),
        (lambda X: gradient(X) - 3 * X, "one term is missing: 3 times x"),
        (lambda X: gradient(X) - 2 * np.eye(4), "one term is missing: 2 times I"),
        (lambda X: gradient(X) + 1, "one term is missing: -1 times 1, the same for all"),
        (lambda X: np.sin(gradient(X)), "no simple mistake"),
    ],
)
def test_mistakes_are_named(mistaken: Any, sentence: Any, dtype: Any) -> None:
    told = diagnosis(f, lambda X: mistaken(X).astype(X.dtype), X.astype(dtype))
    assert rounded(sentence) in rounded(told)


def rounded(sentence: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2g}", sentence)


def test_a_factor_that_is_the_value_is_named() -> None:
    assert "f(x) times" in diagnosis(matgrad.det, lambda X: turned(np.linalg.inv(X)))
    assert "1/f(x) times" in diagnosis(lambda X: np.sqrt(np.sum(X * X, axis=(-1, -2))), lambda X: X)


def test_the_missing_symmetric_part_is_named() -> None:
    told = diagnosis(
        lambda X: np.trace(A @ (X + turned(X)), axis1=-2, axis2=-1), lambda X: A + 0 * X
    )
    assert told == "the symmetric part is missing: it is G where G + G' is right"


def test_conventions_for_symmetric_matrices_are_named() -> None:
    def free(X: Any) -> Any:
        G = np.linalg.inv(X)
        return 2 * G - G * np.eye(4)

    told = diagnosis(log_det, free, S, symmetric=True)
    assert told.endswith("it is free where symmetric is expected")
    told = diagnosis(log_det, np.linalg.inv, S, symmetric="free")
    assert told.endswith("it is symmetric where free is expected")


def test_functions_that_read_one_triangle_are_named() -> None:
    assert "does not read the upper triangle" in diagnosis(log_det, np.linalg.inv, S)
    assert "does not read the lower triangle" in diagnosis(
        lambda X: log_det(turned(X)), np.linalg.inv, S
    )


def test_terms_are_named() -> None:
    terms = {"Q'XA'": left, "QXA": right}
    assert diagnosis(f, left, terms=terms) == "one term is missing: QXA"
    assert diagnosis(f, lambda X: left(X) - right(X), terms=terms) == (
        "the term QXA has the wrong sign"
    )
    assert diagnosis(f, lambda X: left(X) + 2 * right(X), terms=terms) == (
        "one term is too many: QXA"
    )


def test_single_entries_are_named() -> None:
    def one(X: Any) -> Any:
        G = gradient(X)
        G[..., 1, 2] *= 1.03
        return G

    assert diagnosis(f, one).startswith("1 entry is wrong, (1, 2)")


def test_each_point_of_a_batch_has_its_diagnosis() -> None:
    x = rng.normal(size=(3, 4, 4))
    check = matgrad.check_gradient(
        matgrad.det, lambda X: turned(np.linalg.inv(X)), x, ndim=2, rng=0
    )
    assert all("f(x) times" in told for told in check.diagnosis)


def test_a_value_of_zero_is_no_factor() -> None:
    told = diagnosis(lambda x: 0 * x[..., 0], np.ones_like, np.ones(3))
    assert told == "a factor is missing: the derivative is 0 times it"
