from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize._numdiff import approx_derivative

import matgrad
from matgrad.differences import StackedMap

METHODS = ("2-point", "3-point", "cs", "adaptive")
# What is left of the derivative of a smooth function of size 1.
ERROR = {"2-point": 1e-6, "3-point": 1e-8, "cs": 1e-14, "adaptive": 1e-11}


def rng() -> np.random.Generator:
    return np.random.default_rng(6)


def rosenbrock(x: Any) -> Any:
    head, tail = x[..., :-1], x[..., 1:]
    return np.sum(100 * (tail - head**2) ** 2 + (1 - head) ** 2, axis=-1)


def rosenbrock_gradient(x: Any) -> Any:
    g = np.zeros_like(x)
    head, tail = x[..., :-1], x[..., 1:]
    g[..., :-1] += -400 * head * (tail - head**2) - 2 * (1 - head)
    g[..., 1:] += 200 * (tail - head**2)
    return g


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("batch", "out", "shape"),
    [((), (), ()), ((), (), (3,)), ((5,), (2,), ()), ((2, 3), (), (2, 4)), ((4,), (3, 2), (2, 2))],
)
def test_result_has_batch_then_output_then_argument_axes(
    method: Any, batch: Any, out: Any, shape: Any
) -> None:
    A = rng().normal(size=out + shape)
    axes = tuple(range(-len(shape), 0)) if shape else ()
    x = rng().normal(size=batch + shape)

    def f(x: Any) -> Any:
        lead = x.shape[: x.ndim - len(shape)]
        spread = x.reshape(lead + (1,) * len(out) + shape)
        return np.sum(A * np.sin(spread), axis=axes)

    J = matgrad.jacobian(f, x, ndim=len(shape), method=method)
    expected = A * np.cos(x.reshape(batch + (1,) * len(out) + shape))
    assert J.shape == batch + out + shape
    np.testing.assert_allclose(J, expected, atol=10 * ERROR[method])


@pytest.mark.parametrize("method", METHODS)
def test_one_point_at_a_time_is_the_same_as_the_batch(method: Any) -> None:
    x = rng().normal(size=(3, 4))
    together = matgrad.jacobian(rosenbrock, x, ndim=1, method=method)
    alone = [matgrad.jacobian(rosenbrock, row, ndim=1, method=method) for row in x]
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_functions_of_one_point_give_the_same_as_functions_of_stacks(method: Any) -> None:
    x = rng().normal(size=(3, 4))
    np.testing.assert_array_equal(
        matgrad.jacobian(rosenbrock, x, ndim=1, method=method, vectorized=False),
        matgrad.jacobian(rosenbrock, x, ndim=1, method=method),
    )


@pytest.mark.parametrize("method", ["2-point", "3-point", "adaptive"])
def test_max_bytes_changes_the_number_of_calls_and_nothing_else(method: Any) -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(len(x))
        return rosenbrock(x)

    x = rng().normal(size=(3, 8))
    whole = matgrad.jacobian(f, x, ndim=1, method=method)
    few, calls[:] = len(calls), []
    pieces = matgrad.jacobian(f, x, ndim=1, method=method, max_bytes=1)
    assert len(calls) > few
    np.testing.assert_allclose(pieces, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["2-point", "3-point"])
def test_errors_are_not_larger_than_those_of_scipy(method: Any) -> None:
    x = rng().normal(size=(50, 10))
    exact = rosenbrock_gradient(x)
    ours = np.abs(matgrad.jacobian(rosenbrock, x, ndim=1, method=method) - exact)
    scipys = np.abs([approx_derivative(rosenbrock, row, method) for row in x] - exact)
    assert ours.max() <= 1.01 * scipys.max()
    assert np.median(ours) <= 1.01 * np.median(scipys)


@settings(deadline=None)
@given(
    x=hnp.arrays(float, (2, 3), elements=st.floats(-1e3, 1e3)),
    room=hnp.arrays(float, (2, 2, 3), elements=st.floats(1e-3, 1) | st.just(0.0)),
    method=st.sampled_from(METHODS),
)
def test_bounds_are_never_left(x: Any, room: Any, method: Any) -> None:
    lower = x - np.where(room[1] == 0, room[0] + 1e-3, room[0])
    upper = x + room[1]

    def f(y: Any) -> Any:
        real = y.real
        assert np.all((lower <= real) & (real <= upper))
        return np.sum(y * y, axis=-1)

    J = matgrad.jacobian(f, x, ndim=1, method=method, bounds=(lower, upper))
    scale = np.abs(x).max() + 1
    np.testing.assert_allclose(J, 2 * x, atol=1e-3 * scale)


@pytest.mark.parametrize("method", METHODS)
def test_bounds_are_not_left_by_rounding_to_float32(method: Any) -> None:
    x = np.array([0.1, 0.2], dtype=np.float32) - np.float32(1e-4)

    def f(x: Any) -> Any:
        assert np.all(x.real.astype(float) <= [0.1, 0.2])
        return np.sum(x * x, axis=-1)

    J = matgrad.jacobian(f, x, ndim=1, method=method, bounds=(-1, [0.1, 0.2]))
    np.testing.assert_allclose(J, 2 * x, atol=1e-2)


def test_steps_that_bounds_shorten_are_told_and_count_in_the_error() -> None:
    _, info = matgrad.jacobian(
        lambda x: np.exp(x).sum(axis=-1),
        np.ones(2),
        ndim=1,
        bounds=([1 - 1e-12, 0], [1 + 1e-12, 2]),
        full_output=True,
    )
    np.testing.assert_allclose(info.step, [1e-12, 6e-6], rtol=0.02)
    assert info.error[0] > 1e3 * info.error[1]


@pytest.mark.parametrize("bounds", [(0.5, 2), (-2, 0.5), (0.5, 0.6), ([0.5, -9], [9, 9])])
@pytest.mark.parametrize("method", ["2-point", "3-point", "adaptive"])
def test_rounding_is_seen_at_a_bound_too(method: Any, bounds: Any) -> None:
    x = np.full(2, 0.5)
    J, info = matgrad.jacobian(
        lambda x: (1e6 + np.sin(x)) - 1e6, x, ndim=1, method=method, bounds=bounds, full_output=True
    )
    assert np.all(np.abs(J - np.diag(np.cos(x))) <= info.error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("method", "structure"),
    [("2-point", None), ("3-point", None), ("adaptive", None), ("3-point", "affine")],
)
def test_no_step_leads_to_infinity(method: Any, structure: Any, dtype: Any) -> None:
    largest = np.finfo(dtype).max

    def f(x: Any) -> Any:
        assert np.isfinite(x).all()
        return x / 4

    for size in (0.6, -0.6) if structure else (1, 0.6, -1):
        x = np.array([size * largest, 0], dtype=dtype)
        for bounds in (None, (-1e300 if dtype == np.float32 else -np.inf, np.inf)):
            J = matgrad.jacobian(f, x, ndim=1, method=method, structure=structure, bounds=bounds)
            np.testing.assert_allclose(J, np.eye(2) / 4, rtol=1e-3)


@pytest.mark.parametrize("x", [1.0, 1 + 2.0**-52])
def test_bounds_that_leave_no_two_steps_are_named(x: Any) -> None:
    with pytest.raises(ValueError, match=r"needs steps that change x; [12].*e-16 does not at"):
        matgrad.jacobian(np.sin, np.array([x]), ndim=1, bounds=(x, x + 2.0**-52))


def test_one_sided_steps_at_a_bound_keep_second_order() -> None:
    x = np.array([0.0, 1.0])
    J = matgrad.jacobian(lambda x: np.exp(x).sum(axis=-1), x, ndim=1, bounds=(0, 1))
    np.testing.assert_allclose(J, np.exp(x), rtol=1e-9)


@pytest.mark.parametrize("method", ["2-point", "3-point", "adaptive"])
def test_float32_steps_suit_float32(method: Any) -> None:
    x = rng().normal(size=(20, 3)).astype(np.float32)
    J = matgrad.jacobian(lambda x: np.sin(x).sum(axis=-1), x, ndim=1, method=method)
    assert J.dtype == np.float32
    limit = {"2-point": 1e-2, "3-point": 5e-4, "adaptive": 2e-4}[method]
    assert np.abs(J - np.cos(x.astype(float))).max() < limit


@pytest.mark.parametrize("method", METHODS)
def test_error_estimates_cover_the_errors(method: Any) -> None:
    x = rng().normal(size=(40, 3))
    J, info = matgrad.jacobian(
        lambda x: np.exp(np.sin(x)).sum(axis=-1), x, ndim=1, method=method, full_output=True
    )
    error = np.abs(J - np.cos(x) * np.exp(np.sin(x)))
    assert np.mean(error <= info.error) >= 0.98
    assert info.step.shape == info.error.shape == J.shape
    assert np.all(info.step > 0)


def test_nfev_counts_the_evaluations_of_each_point() -> None:
    points = []

    def f(x: Any) -> Any:
        points.append(x)
        return float(x @ x)

    _, info = matgrad.jacobian(
        f, rng().normal(size=(3, 4)), ndim=1, vectorized=False, full_output=True
    )
    assert len(points) == 3 * info.nfev


@pytest.mark.parametrize("method", ["3-point", "adaptive"])
def test_entries_that_share_no_output_move_together(method: Any) -> None:
    n = 40
    x = rng().normal(size=n)

    def f(x: Any) -> Any:
        padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)])
        return padded[..., :-2] * padded[..., 1:-1] ** 2 + np.sin(padded[..., 2:])

    pattern = sum(np.eye(n, k=k) for k in (-1, 0, 1))
    dense = matgrad.jacobian(f, x, ndim=1, method=method)
    J, info = matgrad.jacobian(f, x, ndim=1, method=method, sparsity=pattern, full_output=True)
    np.testing.assert_allclose(J, dense, atol=1e-9)
    assert np.all(info.error[pattern == 0] == 0)
    _, whole = matgrad.jacobian(f, x, ndim=1, method=method, full_output=True)
    assert info.nfev < whole.nfev / 4


def test_scipy_pattern_gives_a_scipy_jacobian() -> None:
    from scipy.sparse import csr_array, diags_array

    x = rng().normal(size=30)
    J = matgrad.jacobian(np.sin, x, ndim=1, sparsity=diags_array(np.ones(30)))
    assert isinstance(J, csr_array)
    np.testing.assert_allclose(J.toarray(), np.diag(np.cos(x)), atol=1e-9)
    nothing = matgrad.jacobian(np.zeros_like, x, ndim=1, sparsity=csr_array((30, 30)))
    assert nothing.shape == (30, 30)
    assert nothing.nnz == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("symmetric", [False, True])
def test_sparse_jacobians_have_the_dtype_of_dense_ones(symmetric: Any, dtype: Any) -> None:
    from scipy.sparse import eye_array

    x, pattern = np.eye(2, dtype=dtype), eye_array(4)
    J = matgrad.jacobian(
        lambda x: x.reshape(*x.shape[:-2], 4) ** 2, x, ndim=2, symmetric=symmetric, sparsity=pattern
    )
    assert J.dtype == dtype
    np.testing.assert_allclose(J.toarray(), np.diag(2 * x.ravel()), atol=1e-3)


def test_affine_functions_are_exact_with_long_steps() -> None:
    X = rng().normal(size=(10, 6, 6))
    adjugates = np.array([adjugate(M) for M in X])
    J = matgrad.jacobian(np.linalg.det, X, ndim=2, method="2-point", structure="affine")
    scale = np.abs(adjugates).max(axis=(1, 2), keepdims=True)
    assert np.abs((J - adjugates) / scale).max() < 1e-13


def adjugate(M: np.ndarray) -> np.ndarray:
    """The transposed adjugate by 40-digit arithmetic."""
    with mpmath.workdps(40):
        inverse = mpmath.matrix(M.tolist()) ** -1 * mpmath.det(mpmath.matrix(M.tolist()))
        return np.array(inverse.tolist(), dtype=float).T


def test_quadratic_functions_are_exact_with_long_steps() -> None:
    A = rng().normal(size=(5, 5))
    x = rng().normal(size=(8, 5)) * 1e-6
    J = matgrad.jacobian(
        lambda x: np.einsum("...i,ij,...j->...", x, A, x), x, ndim=1, structure="quadratic"
    )
    np.testing.assert_allclose(J, x @ (A + A.T), rtol=1e-11, atol=1e-19)


def log_det(X: Any) -> Any:
    """By Cholesky, which reads one triangle."""
    factor = np.linalg.cholesky(X)
    return 2 * np.log(factor.diagonal(0, -2, -1)).sum(axis=-1)


@pytest.mark.parametrize("method", ["3-point", "adaptive"])
def test_symmetric_arguments_have_the_derivative_of_either_convention(method: Any) -> None:
    B = rng().normal(size=(3, 4, 4))
    X = B @ np.swapaxes(B, -1, -2) + np.eye(4)
    G = np.linalg.inv(X)
    frobenius = matgrad.jacobian(log_det, X, ndim=2, method=method, symmetric=True)
    named = matgrad.jacobian(log_det, X, ndim=2, method=method, symmetric="symmetric")
    free = matgrad.jacobian(log_det, X, ndim=2, method=method, symmetric="free")
    np.testing.assert_array_equal(named, frobenius)
    np.testing.assert_allclose(frobenius, G, atol=1e-7)
    np.testing.assert_allclose(free, 2 * G - G * np.eye(4), atol=1e-7)


def test_symmetric_and_sparse_go_together() -> None:
    X = np.diag(np.arange(1.0, 5.0))
    pattern = np.eye(4).reshape(1, 16)
    J = matgrad.jacobian(
        lambda X: np.trace(X, axis1=-2, axis2=-1)[..., None] ** 2,
        X,
        ndim=2,
        symmetric=True,
        sparsity=pattern,
    )
    np.testing.assert_allclose(J[0], 20 * np.eye(4), atol=1e-7)


def test_kernels_run_as_they_are() -> None:
    X = rng().normal(size=(4, 3, 3))
    J = matgrad.jacobian(matgrad.det, X, ndim=2, structure="affine")
    np.testing.assert_allclose(J, matgrad.det_and_gradient(X)[1], atol=1e-13)


def test_functions_may_be_complex() -> None:
    x = rng().normal(size=5)
    J = matgrad.jacobian(lambda x: np.exp(1j * x).sum(axis=-1), x, ndim=1)
    np.testing.assert_allclose(J, 1j * np.exp(1j * x), atol=1e-9)


def test_no_entries_and_no_outputs_give_empty_jacobians() -> None:
    assert matgrad.jacobian(lambda x: x.sum(axis=-1), np.ones((2, 0)), ndim=1).shape == (2, 0)
    assert matgrad.jacobian(lambda x: x[..., :0], np.ones((2, 3)), ndim=1).shape == (2, 0, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ndim": 3}, "needs ndim between 0 and the 1 axes of x; got 3"),
        ({"method": "4-point"}, "knows the methods .*; got '4-point'"),
        ({"structure": "cubic"}, "knows the structures .*; got 'cubic'"),
        ({"structure": "affine", "method": "cs"}, "structure='affine' needs method"),
        ({"step": 0}, "steps that are finite and not zero; got step=0"),
        ({"step": 1e-30}, "steps that change x; 1e-30 does not"),
        ({"step": [1, 2, 3]}, r"step that broadcasts to the shape \(2,\)"),
        ({"bounds": (2, 3)}, "x within its bounds"),
        ({"bounds": (1, 1)}, "lower = upper|within its bounds"),
        ({"bounds": 4}, r"bounds=\(lower, upper\); got 4"),
        ({"sparsity": np.ones(3)}, r"sparsity pattern of shape \(2,\) or \(1, 2\); got \(3,\)"),
        ({"symmetric": True}, "symmetric needs square matrices"),
        ({"symmetric": "Free"}, "symmetric=True, False, 'symmetric', 'free'; got 'Free'"),
        ({"workers": 0}, "workers of 1 or more"),
    ],
)
def test_wrong_options_are_named(options: Any, sentence: Any) -> None:
    with pytest.raises(ValueError, match=sentence):
        matgrad.jacobian(rosenbrock, [1.0, 2.0], **{"ndim": 1, **options})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ndim": 1.0}, "ndim to be a whole number; got 1.0"),
        ({"workers": None}, "a number, an executor or a map-like; got None"),
        ({"workers": 2.0}, "a number, an executor or a map-like; got 2.0"),
    ],
)
def test_options_of_a_wrong_type_are_named(options: Any, sentence: Any) -> None:
    with pytest.raises(TypeError, match=sentence):
        matgrad.jacobian(rosenbrock, [1.0, 2.0], **{"ndim": 1, **options})


def test_asymmetric_matrices_are_refused_where_symmetric_ones_are_needed() -> None:
    with pytest.raises(ValueError, match="differs from its transpose by 1"):
        matgrad.jacobian(np.linalg.det, [[1.0, 1.0], [0.0, 1.0]], ndim=2, symmetric=True)
    beside_a_large_one: Any = [1e20 * np.eye(2), [[0.0, 1.0], [0.0, 0.0]]]
    with pytest.raises(ValueError, match=r"differs from its transpose by 1$"):
        matgrad.jacobian(np.linalg.det, beside_a_large_one, ndim=2, symmetric=True)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, complex, object])
def test_other_dtypes_are_refused_by_name(dtype: Any) -> None:
    with pytest.raises(TypeError, match=np.dtype(dtype).name):
        matgrad.jacobian(rosenbrock, np.ones(3, dtype=dtype), ndim=1)


def test_complex_steps_need_a_real_function_that_continues_to_complex_x() -> None:
    with pytest.raises(TypeError, match="stays complex for complex x"):
        matgrad.jacobian(lambda x: np.abs(x).sum(axis=-1), np.ones(3), ndim=1, method="cs")
    with pytest.raises(TypeError, match="is real for real x; f returned complex128"):
        matgrad.jacobian(lambda x: np.exp(1j * x), np.ones(3), ndim=1, method="cs")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_complex_steps_are_short_beside_x(dtype: Any) -> None:
    x = 10.0 ** np.arange(-9 if dtype == np.float32 else -70, 5, 3).astype(dtype)
    J, info = matgrad.jacobian(np.log, x, ndim=0, method="cs", full_output=True)
    np.testing.assert_allclose(J, 1 / x, rtol=4 * np.finfo(dtype).eps)
    assert np.all(np.abs(J - 1 / x) <= info.error)
    square = matgrad.jacobian(lambda x: x * x, x, ndim=0, method="cs")
    np.testing.assert_allclose(square, 2 * x, rtol=4 * np.finfo(dtype).eps)
    assert matgrad.jacobian(np.sin, np.zeros((), dtype), ndim=0, method="cs") == 1


def test_sparse_jacobians_have_no_batch() -> None:
    from scipy.sparse import eye_array

    with pytest.raises(ValueError, match=r"x has the batch \(2,\)"):
        matgrad.jacobian(np.sin, np.ones((2, 3)), ndim=1, sparsity=eye_array(3))


def test_scipy_optimizers_evaluate_their_differences_in_one_call() -> None:
    from scipy.optimize import minimize

    calls = []

    def f(x: Any) -> Any:
        calls.append(x.shape)
        return rosenbrock(x)

    best = minimize(f, np.zeros(4), method="BFGS", options={"workers": StackedMap(f)})
    np.testing.assert_allclose(best.x, 1, atol=1e-4)
    assert (4, 4) in calls
