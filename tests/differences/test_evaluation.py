import math
from typing import Any

import numpy as np
import pytest

import matgrad
from matgrad.differences import EvaluationError

X = np.array([[1.0, 2.0], [3.0, 4.0]])


def run(f: Any, x: Any = X, **options: Any) -> Any:
    return matgrad.jacobian(f, x, ndim=1, **options)


def only_at(point: Any, moved: Any) -> Any:
    """A function of one point that fails at one perturbation of one point."""

    def f(x: Any) -> Any:
        if x[0] == X[point, 0] and x[1] > X[point, 1]:
            return moved()
        return x.sum()

    return f


def raising() -> Any:
    raise ArithmeticError("out of numbers")


def test_error_in_f_names_the_point_and_what_was_moved() -> None:
    sentence = r"f raised ArithmeticError: out of numbers, at point \(1,\) .*entry \(1,\) moved by"
    with pytest.raises(EvaluationError, match=sentence) as caught:
        run(only_at(1, raising), vectorized=False)
    assert isinstance(caught.value.__cause__, ArithmeticError)


def test_error_in_f_of_a_stack_names_the_culprit() -> None:
    def f(x: Any) -> Any:
        if np.any(x[..., 1] > 2):
            raise ArithmeticError("out of numbers")
        return x.sum(axis=-1)

    with pytest.raises(
        EvaluationError, match=r"entry \(1,\) moved by 1.21e-05.*x = \[1. *2.000012\]"
    ):
        run(f, X[0])


@pytest.mark.parametrize("vectorized", [True, False])
def test_adaptive_says_how_f_failed_where_it_found_nothing(vectorized: Any) -> None:
    def f(x: Any) -> Any:
        if not np.array_equal(np.reshape(x, -1), X[0]):
            raise ArithmeticError("out of numbers")
        return x.sum(axis=-1)

    sentence = r"finds no step .* x = \[1\. 2\.\]; f raised ArithmeticError: out of numbers"
    with pytest.raises(EvaluationError, match=sentence) as caught:
        run(f, X[0], method="adaptive", vectorized=vectorized)
    assert isinstance(caught.value.__cause__, ArithmeticError)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_name_the_point(value: Any) -> None:
    f = only_at(1, lambda: value)
    with pytest.raises(EvaluationError, match=rf"f is {value} at point \(1,\) .*entry \(1,\)"):
        run(f, vectorized=False)


def test_real_functions_that_turn_complex_have_left_their_domain() -> None:
    with pytest.raises(EvaluationError, match=r"f is 0\.0024.*j at the point, entry \(0,\) moved"):
        matgrad.jacobian(np.emath.sqrt, np.array([0.0, 1.0]), ndim=1)
    J = matgrad.jacobian(np.emath.sqrt, np.array([1e-4, 1.0]), ndim=1, method="adaptive")
    np.testing.assert_allclose(J, np.diag([50, 0.5]), rtol=1e-11, atol=1e-11)
    assert J.dtype == float


def test_points_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs finite points; got point \(1,\)"):
        run(lambda x: x.sum(axis=-1), [[1.0, 2.0], [np.nan, 1.0]])


def test_shape_that_does_not_begin_with_the_stack_is_explained() -> None:
    with pytest.raises(EvaluationError, match=r"must begin with \(1, 2\).*vectorized=False"):
        run(lambda x: x.sum())


def test_shape_that_changes_is_named() -> None:
    f = only_at(1, lambda: np.ones(3))
    with pytest.raises(EvaluationError, match=r"returned .*shape \(3,\), elsewhere \(\), at point"):
        run(f, vectorized=False)


@pytest.mark.parametrize("vectorized", [True, False])
def test_function_that_changes_its_input_is_caught(vectorized: Any) -> None:
    def f(x: Any) -> Any:
        x *= 2
        return x.sum(axis=-1)

    given = X.copy()
    with pytest.raises(EvaluationError, match=r"f changed its input, at .*x = \[1\. 2\.\]"):
        run(f, given, vectorized=vectorized)
    np.testing.assert_array_equal(given, X)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[-1, 0].__setitem__(-1, 0.25),  # where the last row has moved
        lambda x: x[-1, 0].__setitem__(0, 0.25),  # where it has not
        lambda x: x.__setitem__(slice(None), x[::-1].copy()),
    ],
    ids=["moved", "unmoved", "order"],
)
@pytest.mark.parametrize("method", ["2-point", "3-point", "adaptive"])
def test_a_function_that_changes_only_what_has_moved_is_caught(change: Any, method: Any) -> None:
    def f(x: Any) -> Any:
        values = (x**2).sum(axis=-1)
        if len(x) > 1:
            change(x)
        return values

    with pytest.raises(EvaluationError, match="f changed its input, at"):
        matgrad.jacobian(f, np.arange(1.0, 7.0).reshape(2, 3), ndim=1, method=method)


def test_tuples_and_objects_are_not_arrays() -> None:
    with pytest.raises(EvaluationError, match="a tuple of 2 where one array is needed"):
        matgrad.jacobian(np.linalg.slogdet, np.eye(2), ndim=2)
    with pytest.raises(EvaluationError, match="returned dtype object"):
        run(lambda x: [{}] * len(x), X[0])


def test_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least one point; got the batch \(0,\)"):
        run(lambda x: x.sum(axis=-1), np.ones((0, 3)))


def test_function_may_return_its_input_or_one_buffer_for_all() -> None:
    np.testing.assert_allclose(run(lambda x: x), [np.eye(2)] * 2)
    buffer = np.empty(2)

    def f(x: Any) -> Any:
        return np.sum(x**2, axis=-1, out=buffer[: x[0, ..., 0].size].reshape(x.shape[:-1]))

    np.testing.assert_allclose(run(f, X[0], max_bytes=1), 2 * X[0])


@pytest.mark.parametrize("workers", [1, map, lambda function, tasks: list(map(function, tasks))])
@pytest.mark.parametrize("vectorized", [True, False])
def test_function_may_fill_its_buffer_again_at_each_call(vectorized: Any, workers: Any) -> None:
    buffer = np.empty((9, 2))

    def f(x: Any) -> Any:
        filled = buffer[: len(x)] if vectorized else buffer[0]
        filled[..., 0], filled[..., 1] = x[..., 0] ** 2, x[..., 0] * x[..., 1]
        return filled

    J = run(f, X[0], vectorized=vectorized, workers=workers)
    np.testing.assert_allclose(J, [[2, 0], [2, 1]], atol=1e-8)
