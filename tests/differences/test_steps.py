from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize._numdiff import _adjust_scheme_to_bounds

from matgrad.differences.steps import default_steps, forward_steps, parabola_steps

finite = st.floats(1e-6, 10)


@settings(deadline=None)
@given(step=finite, sign=st.sampled_from([-1, 1]), down=finite, up=finite)
def test_forward_steps_are_those_of_scipy(step: Any, sign: Any, down: Any, up: Any) -> None:
    ours = forward_steps(np.array([sign * step]), np.array([down]), np.array([up]))
    scipys, _ = _adjust_scheme_to_bounds(
        np.zeros(1), np.array([sign * step]), 1, "1-sided", np.array([-down]), np.array([up])
    )
    np.testing.assert_array_equal(ours, scipys)


@settings(deadline=None)
@given(step=finite, down=finite, up=finite)
def test_parabola_steps_are_those_of_scipy(step: Any, down: Any, up: Any) -> None:
    a, b = parabola_steps(np.array([step]), np.array([down]), np.array([up]))
    scipys, one_sided = _adjust_scheme_to_bounds(
        np.zeros(1), np.array([step]), 1, "2-sided", np.array([-down]), np.array([up])
    )
    np.testing.assert_allclose(b, np.where(one_sided, 2 * scipys, np.abs(scipys)))
    np.testing.assert_allclose(a, np.where(one_sided, scipys, -np.abs(scipys)))


@settings(deadline=None)
@given(x=st.floats(-1e10, 1e10))
def test_exact_steps_are_powers_of_two_as_large_as_x(x: Any) -> None:
    step = np.abs(default_steps(np.array([[x, 1.0]]), "3-point", "quadratic", 2.0**-52))
    mantissa, _ = np.frexp(step)
    assert np.all(mantissa == 0.5)
    assert np.all(step <= max(abs(x), 1))
    assert np.all(step >= np.array([abs(x), 1]) / 2)
