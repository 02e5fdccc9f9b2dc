"""Points: which values are failures, and what is said of it."""

from typing import Any

import numpy as np
import pytest

from matgrad import Oracle


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_values_whose_sum_is_not_are_no_failure(dtype: Any) -> None:
    root = np.sqrt(np.finfo(dtype).max) / 2
    x = np.full((3, 3), root, dtype)
    with np.errstate(all="raise"):
        value = Oracle("x'*x", "x").value(x)
        residual = Oracle("alpha*x", "x", alpha=dtype(root)).residual(2 * x[0])
    np.testing.assert_allclose(value, 3 * float(root) ** 2, rtol=1e-6)
    np.testing.assert_allclose(residual, 2 * float(root) ** 2, rtol=1e-6)


def test_infinite_values_of_both_signs_are_failures_without_a_warning() -> None:
    x = np.array([[0.0, 0.0], [np.inf, 1.0], [1.0, 1.0]])
    with np.errstate(all="raise"):
        value = Oracle("log(x'*a)", "x", a=np.ones(2)).value(x)
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.log(2.0)])
