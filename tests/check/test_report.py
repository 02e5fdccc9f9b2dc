import re
from typing import Any

import numpy as np
import pytest

import matgrad

A = np.array([[2.0, 1.0], [0.0, 3.0]])
X = np.array([[1.0, 2.0], [3.0, -1.0]])


def f(x: Any) -> Any:
    return np.einsum("...i,ij,...j->...", x, A, x)


def gradient(x: Any) -> Any:
    return x @ (A + A.T)


def report(gradient: Any, x: Any, f: Any = f) -> str:
    return str(matgrad.check_gradient(f, gradient, x, ndim=1, rng=0))


def test_report_of_a_right_gradient() -> None:
    told = report(gradient, X[0])
    assert re.fullmatch(
        r"check_gradient: right\n"
        r"  the remainder falls like h\^2\.00 \(right is 2, wrong 1\); f is quadratic\n"
        r"  it agrees with differences to \de-1\d",
        told,
    )


def test_report_of_a_wrong_gradient() -> None:
    told = re.sub(r"\de-1\d", "#", report(lambda x: x @ (A - A.T), X[0]))
    assert told == (
        "check_gradient: wrong\n"
        "  the remainder falls like h^1.00 (right is 2, wrong 1)\n"
        "  2 of 2 entries measured differ; no simple mistake explains it\n"
        "  entry            claimed        measured       +-\n"
        "  (1,)                      1             13   #\n"
        "  (0,)                     -2              6   #"
    )


def test_report_of_a_batch_counts_and_shows_the_first_that_fail() -> None:
    x = np.array([[1.0, 2.0]] * 6)
    factor = np.array([1, 2, 2, 2, 2, 1.0])[:, None]
    told = report(lambda x: factor * gradient(x), x).splitlines()
    assert told[0] == "check_gradient: 4 wrong, 2 right (points)"
    assert [line for line in told if line.startswith("point")] == [
        "point (1,): wrong",
        "point (2,): wrong",
        "point (3,): wrong",
    ]
    assert told[-1] == "... and 1 more points that are not right"


def test_report_of_a_batch_that_is_right_is_two_lines() -> None:
    told = report(gradient, X).splitlines()
    assert told[0] == "check_gradient: 2 right (points)"
    assert told[1].startswith("  they agree with differences to")
    assert len(told) == 2


def test_reports_of_kinks_and_of_rounding_say_so() -> None:
    assert "f has a kink" in report(np.sign, np.zeros(2), f=lambda x: np.abs(x).sum(-1))
    assert "rounding in f hides" in report(np.cos, X[0], f=lambda x: 1e20 + np.sin(x).sum(-1))
    assert "rounding alone; f is affine" in report(np.ones_like, X[0], f=lambda x: x.sum(-1))


def test_large_arguments_are_shown_by_their_worst_entries() -> None:
    x = np.ones(50)
    told = report(lambda x: 2 * np.cos(x), x, f=lambda x: np.sin(x).sum(-1))
    assert len(told.splitlines()) == 10


def test_failures_are_raised_with_the_report() -> None:
    check = matgrad.check_gradient(f, lambda x: 2 * gradient(x), X, ndim=1, rng=0)
    with pytest.raises(AssertionError, match="check_gradient: 2 wrong"):
        check.raise_if_failed()
    matgrad.check_gradient(f, gradient, X, ndim=1, rng=0).raise_if_failed()


def test_report_of_a_function_that_fails_beside_the_point_says_how() -> None:
    def fragile(x: Any) -> Any:
        if x.shape[0] > 1:
            raise ArithmeticError("out of numbers")
        return f(x)

    for claimed in (gradient, lambda x: 0 * x):
        assert report(claimed, X[0], fragile) == (
            "check_gradient: undecided\n"
            "  no step leaves f finite on both sides of the point; "
            "f raised ArithmeticError: out of numbers"
        )
    for lonely in (lambda x: np.where((x == X[0]).all(-1), 1, np.nan), root):
        told = report(lambda x: 0 * x, X[0], lonely)
        assert told.endswith("undecided\n  no step leaves f finite on both sides of the point")


def root(x: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.sqrt(x[..., 0] - X[0, 0])
