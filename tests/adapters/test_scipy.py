"""SciPy's optimizers with oracles: the same way as with derivatives by hand, one factorisation."""

from typing import Any

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray

from matgrad import Oracle
from matgrad.adapters.scipy import least_squares, minimize, root
from tests.adapters.problems import PROBLEMS, likelihood, logistic

Array = NDArray[Any]


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "TNC", "SLSQP"])
def test_a_method_goes_as_with_a_gradient_by_hand(name: str, method: str) -> None:
    problem = PROBLEMS[name]()
    found = minimize(problem.oracle, problem.start, method=method)
    wanted = scipy.optimize.minimize(problem.by_hand, problem.start, jac=True, method=method)
    assert found.nit == wanted.nit
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-8, atol=1e-8)
    assert problem.oracle.counts.factorisations <= problem.oracle.counts.values <= found.nfev


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize(
    "method", ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr", "dogleg", "trust-exact"]
)
def test_a_method_of_second_order_finds_the_same_with_one_factorisation_a_point(
    name: str, method: str
) -> None:
    problem = PROBLEMS[name]()
    start = problem.start
    if method == "dogleg" and name == "likelihood":
        # Its Hessians must be positive definite, as they are near the minimum.
        start = minimize(problem.oracle, start, method="BFGS").x + 0.01
    found = minimize(problem.oracle, start, method=method)
    wanted = scipy.optimize.minimize(
        problem.by_hand, start, jac=True, method="BFGS", options={"gtol": 1e-10}
    )
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-4, atol=1e-4)
    counts = problem.oracle.counts
    assert counts.hessp > 0
    assert counts.factorisations <= counts.values


def test_a_shaped_start_is_taken() -> None:
    B = np.arange(6.0).reshape(3, 2)
    found = minimize(Oracle("norm(X - B)^2", "X", B=B), np.zeros((3, 2)))
    np.testing.assert_allclose(found.x.reshape(3, 2), B, atol=1e-6)


def test_several_variables_are_packed() -> None:
    rng = np.random.default_rng(3)
    U, V = rng.normal(size=(5, 2)), rng.normal(size=(4, 2))
    oracle = Oracle("norm(Y - U*V')^2", ("U", "V"), Y=U @ V.T)
    start = oracle.pack(U=U + 0.1, V=V - 0.1)
    found = minimize(oracle, start, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9})
    parts = oracle.unpack(found.x)
    np.testing.assert_allclose(parts["U"] @ parts["V"].T, U @ V.T, atol=1e-6)


def test_least_squares_finds_the_parameters_of_a_decay() -> None:
    t = np.linspace(0, 4, 20)
    oracle = Oracle("alpha*exp(-beta*t) - y", ("alpha", "beta"), t=t, y=3 * np.exp(-0.7 * t))
    found = least_squares(oracle, [1.0, 1.0], xtol=1e-12)
    np.testing.assert_allclose(found.x, [3.0, 0.7], rtol=1e-9)


def test_root_finds_where_residuals_vanish_and_where_a_gradient_does() -> None:
    A, b = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0])
    wanted = np.linalg.solve(A, b)
    np.testing.assert_allclose(root(Oracle("A*x - b", "x", A=A, b=b), np.zeros(2)).x, wanted)
    quadratic = Oracle("x'*A*x/2 - b'*x", "x", A=A, b=b)
    np.testing.assert_allclose(root(quadratic, np.zeros(2)).x, wanted)


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"])
def test_methods_without_derivatives_ask_for_none(method: str) -> None:
    problem = logistic()
    found = minimize(problem.oracle, problem.start, method=method, tol=1e-6)
    assert found.success
    assert np.abs(problem.by_hand(found.x)[1]).max() < 1e-2
    assert problem.oracle.counts.gradients == 0


def test_a_method_may_be_a_function() -> None:
    def descend(fun: Any, x0: Array, *, jac: Any, **_: Any) -> Any:
        return scipy.optimize.OptimizeResult(x=x0 - jac(x0), fun=fun(x0))

    problem = logistic()
    value, gradient = problem.by_hand(problem.start)
    found = minimize(problem.oracle, problem.start, method=descend)
    np.testing.assert_allclose(found.x, problem.start - gradient)
    assert found.fun == pytest.approx(value)


@pytest.mark.parametrize("method", ["broyden1", "krylov", "df-sane", "anderson"])
def test_methods_of_root_without_a_jacobian_ask_for_none(method: str) -> None:
    A, b = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0])
    found = root(Oracle("A*x - b", "x", A=A, b=b), np.zeros(2), method=method)
    np.testing.assert_allclose(found.x, np.linalg.solve(A, b), atol=1e-4)


def test_the_operator_multiplies_by_the_hessian_after_the_oracle_has_moved_on() -> None:
    problem = likelihood()
    operator = problem.oracle.operator(problem.start)
    hessian = problem.oracle.hess(problem.start)
    problem.oracle.value(problem.start + 1)
    factorisations = problem.oracle.counts.factorisations
    np.testing.assert_allclose(operator @ np.eye(6), hessian, atol=1e-14)
    np.testing.assert_allclose(operator.T @ np.eye(6), hessian, atol=1e-14)
    assert problem.oracle.counts.factorisations == factorisations


def test_an_optimizer_that_starts_at_a_singular_matrix_is_told_inf_and_does_not_move() -> None:
    oracle = Oracle("logdet(S) + tr(inv(S)*C)", "S", structure="positive_definite", C=np.eye(2))
    with np.errstate(invalid="ignore"):
        found = minimize(oracle, np.zeros((2, 2)), method="BFGS")
    assert not found.success
    assert np.isinf(found.fun)
    strict = oracle.with_constants()
    assert strict.value(np.eye(2)) == pytest.approx(2.0)


def test_an_exception_in_a_callback_leaves_the_oracle_as_it_was() -> None:
    problem = logistic()

    def stop(*_: object) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        minimize(problem.oracle, problem.start, method="BFGS", callback=stop)
    value, gradient = problem.oracle.value_and_gradient(problem.start)
    wanted, wanted_gradient = problem.by_hand(problem.start)
    assert value == pytest.approx(wanted, rel=1e-14)
    np.testing.assert_allclose(gradient, wanted_gradient, atol=1e-13)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B"])
def test_a_method_goes_as_with_the_gradient_of_jax(method: str) -> None:
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(4)
    A, Y = rng.normal(size=(6, 20)), rng.normal(size=(6, 5))
    C = A @ A.T / 20
    oracle = Oracle(
        "logdet(S) + tr(inv(S)*C) + norm(Y - S*V)^2", ("S", "V"), C=C, Y=Y, structure=None
    )
    start = oracle.pack(S=C + np.eye(6), V=np.zeros((6, 5)))

    def by_jax(x: Any) -> Any:
        S, V = x[:36].reshape(6, 6), x[36:].reshape(6, 5)
        quadratic = jax.numpy.trace(jax.numpy.linalg.solve(S, C))
        return jax.numpy.linalg.slogdet(S)[1] + quadratic + ((Y - S @ V) ** 2).sum()

    options = {"maxiter": 30}
    found = minimize(oracle, start, method=method, options=options)
    with jax.enable_x64():
        compiled = jax.jit(jax.value_and_grad(by_jax))

        def evaluate(x: Array) -> tuple[float, Array]:
            value, gradient = compiled(x)
            return float(value), np.asarray(gradient)

        wanted = scipy.optimize.minimize(evaluate, start, jac=True, method=method, options=options)
    assert found.nit == wanted.nit
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-8, atol=1e-8)
    assert oracle.counts.factorisations <= oracle.counts.values
