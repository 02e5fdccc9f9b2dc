import subprocess
import sys

import numpy as np
import pytest

from matgrad.testing import assert_gradient


def test_right_gradients_return_their_check() -> None:
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    assert assert_gradient(lambda x: np.exp(x).sum(-1), np.exp, x, ndim=1).ok.all()


def test_wrong_gradients_fail_with_the_report() -> None:
    with pytest.raises(AssertionError, match="the sign is wrong"):
        assert_gradient(lambda x: np.exp(x).sum(-1), lambda x: -np.exp(x), np.ones(3), ndim=1)


def test_options_reach_the_check() -> None:
    with pytest.raises(AssertionError, match="one term is missing: ridge"):
        assert_gradient(
            lambda x: (x**3 + x**2).sum(-1),
            lambda x: 3 * x**2,
            np.array([1.0, 2.0]),
            ndim=1,
            terms={"ridge": lambda x: 2 * x},
        )


@pytest.mark.parametrize(
    "name", ["testing.assert_gradient", "differences.central_differences", "linalg.det"]
)
def test_modules_are_attributes_after_a_plain_import(name: str) -> None:
    subprocess.run([sys.executable, "-c", f"import matgrad; matgrad.{name}"], check=True)
