"""The elementwise functions that NumPy lacks, against mpmath and SciPy."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matgrad import jacobian, parse
from matgrad._native import instruction_sets, load
from matgrad.expression.elementwise import relu, sigmoid, softplus, softplus_and_sigmoid

Array = NDArray[Any]

EXACT: dict[Callable[[Array], Array], Callable[[Any], Any]] = {
    sigmoid: lambda x: 1 / (1 + mpmath.exp(-x)),
    softplus: lambda x: mpmath.log1p(mpmath.exp(x)),
    relu: lambda x: max(x, 0),
}


@pytest.mark.parametrize("function", EXACT)
@given(x=st.floats(-700, 700))
def test_values_are_accurate_in_the_last_places(function: Any, x: float) -> None:
    with mpmath.workdps(400):
        exact = EXACT[function](mpmath.mpf(x))
        error = abs(mpmath.mpf(function(np.array([x]))[0].item()) - exact)
        assert error <= 4 * np.finfo(float).eps * abs(exact) + np.finfo(float).tiny


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows_at_the_ends_of_the_line(dtype: Any) -> None:
    ends = np.array([-np.inf, -1e30, 1e30, np.inf], dtype)
    assert sigmoid(ends).tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(softplus(ends), np.maximum(ends, 0))


@pytest.mark.parametrize("function", EXACT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_the_dtype_stays(function: Any, dtype: Any) -> None:
    assert function(np.linspace(-2, 2, 5).astype(dtype)).dtype == dtype


@pytest.mark.parametrize("function", EXACT)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_nan_stays_nan(function: Any, dtype: Any) -> None:
    assert np.isnan(function(np.array([np.nan], dtype))[0])


@pytest.mark.parametrize("function", EXACT)
def test_the_argument_is_not_changed(function: Any) -> None:
    for x in (np.linspace(-2, 2, 5), np.linspace(-2, 2, 5) + 1j):
        before = x.copy()
        function(x)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (sigmoid, lambda x: scipy.special.expit(x) * scipy.special.expit(-x)),
        (softplus, scipy.special.expit),
        (relu, lambda x: (x > 0).astype(float)),
    ],
)
def test_an_imaginary_step_gives_the_derivative(function: Any, derivative: Any) -> None:
    x = np.array([-40.0, -3.0, -0.5, 0.5, 3.0, 40.0])
    np.testing.assert_allclose(function(x + 1e-30j).imag / 1e-30, derivative(x), rtol=1e-14)


def test_relu_of_zero_is_zero() -> None:
    assert relu(np.array([0.0, 0.0j])).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("function", [sigmoid, softplus, softplus_and_sigmoid])
def test_no_flag_is_raised_on_the_way(function: Any, dtype: Any) -> None:
    x = np.array([-1e4, -745.0, -103.0, -88.0, 0.0, 88.0, 103.0, 745.0, 1e4], dtype)
    with np.errstate(all="raise"):
        function(x)


KERNELS: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}


@pytest.mark.parametrize("isa", instruction_sets())
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_right_to_four_units_in_the_last_place(name: str, isa: str) -> None:
    rng = np.random.default_rng(0)
    tiny = 10 ** rng.uniform(-300, 0, 100)
    worst = [-2.771833154980102, -4.143722316182263]
    x = np.concatenate([3 * rng.normal(size=301), rng.uniform(-700, 700, 300), tiny, -tiny, worst])
    with mpmath.workprec(200):
        for number, found in zip(x, getattr(load(isa, "elementwise"), name)(x), strict=True):
            error = mpmath.mpf(found) - KERNELS[name](mpmath.mpf(number))
            assert abs(error) <= 4 * mpmath.mpf(np.spacing(found)), number


@pytest.mark.parametrize("isa", instruction_sets())
@pytest.mark.parametrize(("name", "values"), [("softplus", (0, np.inf)), ("sigmoid", (0, 1))])
def test_a_kernel_has_its_limits_and_keeps_nan(
    name: str, values: tuple[float, float], isa: str
) -> None:
    found = getattr(load(isa, "elementwise"), name)(np.array([-np.inf, np.inf, np.nan, -800]))
    np.testing.assert_array_equal(found, [*values, np.nan, 0])


@pytest.mark.parametrize("isa", instruction_sets())
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_does_not_see_how_numbers_lie(name: str, isa: str) -> None:
    kernel = getattr(load(isa, "elementwise"), name)
    x = np.random.default_rng(1).normal(size=(7, 11))
    wanted = np.array([[kernel(number) for number in row] for row in x])
    np.testing.assert_array_equal(kernel(x), wanted)
    np.testing.assert_array_equal(kernel(x.T), wanted.T)
    np.testing.assert_array_equal(kernel(x[:, ::-3]), wanted[:, ::-3])
    spread = np.zeros((7, 22))[:, ::2]
    np.testing.assert_array_equal(kernel(x, out=spread), wanted)
    np.testing.assert_array_equal(kernel(x, out=x), wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_pair_has_the_bits_of_its_parts(dtype: Any) -> None:
    x = np.linspace(-40, 40, 97).astype(dtype)
    for each in (x, x[::3], x[:5], x.reshape(-1, 1)):
        first, second = softplus_and_sigmoid(each)
        np.testing.assert_array_equal(first, softplus(each))
        np.testing.assert_array_equal(second, sigmoid(each))


@pytest.mark.parametrize("isa", instruction_sets())
def test_the_pair_is_written_where_it_is_told(isa: str) -> None:
    module = load(isa, "elementwise")
    x, room = np.linspace(-3, 3, 21), np.zeros((2, 43))
    module.softplus_and_sigmoid(x, out=(room[0, 1::2], room[1, 1::2]))
    np.testing.assert_array_equal(room[0, 1::2], module.softplus(x))
    np.testing.assert_array_equal(room[1, 1::2], module.sigmoid(x))
    assert not room[:, ::2].any()


@pytest.mark.parametrize("isa", instruction_sets())
def test_with_a_factor_the_pair_has_the_bits_of_its_parts(isa: str) -> None:
    module = load(isa, "elementwise")
    c, x = np.random.default_rng(2).normal(size=(2, 7, 23))
    for one, other in ((c, x), (c.T, x.T), (c[:, ::-3], x[:, ::-3]), (c[:, :1], x), (c, x[0, 0])):
        scaled = one * other
        wanted = module.softplus(scaled), one * module.sigmoid(scaled)
        np.testing.assert_array_equal(module.softplus_and_derivative(one, other), wanted)
    scaled = c * x
    wanted = module.softplus(scaled), c * module.sigmoid(scaled)
    module.softplus_and_derivative(c, x, out=(c, x))
    np.testing.assert_array_equal((c, x), wanted)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_on_the_imaginary_axis_functions_are_one_branch(dtype: Any) -> None:
    x = np.array([2j, -0.5j, 1e-200j if dtype == np.complex128 else 1e-30j, 0], dtype)
    close = {"rtol": 4 * np.finfo(dtype).eps, "atol": 0.0}
    np.testing.assert_allclose(softplus(x), np.log1p(np.exp(x.astype(complex))), **close)
    np.testing.assert_allclose(sigmoid(x), 1 / (1 + np.exp(-x.astype(complex))), **close)


def test_complex_steps_see_slopes_at_zero_and_beside_signs() -> None:
    f = parse("sum(softplus(-y .* x))")
    y = np.array([1.0, -3.0])
    slopes = jacobian(lambda x: f.evaluate(x=x, y=y), np.zeros(2), ndim=1, method="cs")
    np.testing.assert_allclose(slopes, -y / 2)
    f = parse("x'*sign(x)")
    slopes = jacobian(lambda x: f.evaluate(x=x), np.array([0.5, -2.0]), ndim=1, method="cs")
    np.testing.assert_allclose(slopes, [1, -1])
