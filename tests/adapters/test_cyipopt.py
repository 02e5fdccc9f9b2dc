"""Ipopt with oracles."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import LinearConstraint

from matgrad import Oracle
from matgrad.adapters.cyipopt import minimize, problem
from tests.adapters.problems import PROBLEMS

cyipopt = pytest.importorskip("cyipopt")


@pytest.mark.parametrize("name", PROBLEMS)
def test_minimize_ipopt_goes_as_with_a_gradient_by_hand(name: str) -> None:
    given = PROBLEMS[name]()
    options = {"hessian_approximation": "limited-memory", "print_level": 0}
    found = minimize(given.oracle, given.start, options=options)
    wanted = cyipopt.minimize_ipopt(given.by_hand, given.start, jac=True, options=options)
    assert found.nit == wanted.nit
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-8, atol=1e-8)
    assert given.oracle.counts.factorisations <= given.oracle.counts.values


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_hessian_makes_it_newtons_method(name: str) -> None:
    given = PROBLEMS[name]()
    found = minimize(given.oracle, given.start, options={"print_level": 0})
    assert found.success
    assert found.nit < 15
    np.testing.assert_allclose(given.by_hand(found.x)[1], 0, atol=1e-7)
    again = problem(PROBLEMS[name]().oracle)
    again.add_option("print_level", 0)
    x, info = again.solve(given.start)
    assert info["status"] == 0
    np.testing.assert_allclose(x, found.x, rtol=1e-6, atol=1e-7)


def test_bounds_and_constraints_hold() -> None:
    A = np.diag([1.0, 2.0, 4.0])
    oracle = Oracle("x'*A*x", "x", A=A)
    sum_to_one = Oracle("B*x - b", "x", B=np.ones((1, 3)), b=np.ones(1))
    constrained = problem(oracle, constraints=sum_to_one, lower=0.2)
    constrained.add_option("print_level", 0)
    x, info = constrained.solve(np.full(3, 0.5))
    assert info["status"] == 0
    # With x_3 at its bound, x_1 = 2 x_2 in what is left of 1.
    np.testing.assert_allclose(x, [1.6 / 3, 0.8 / 3, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"lower": [0.0, 1.0]}, r"lower to be a number, or 3 of them; got 2, of shape \(2,\)"),
        ({"upper": np.ones((2, 3))}, "upper to be a number, or 3 of them; got 6"),
        ({"constraints_upper": [1.0, 2.0]}, "constraints_upper to be a number, or 1 of them"),
    ],
)
def test_bounds_of_another_length_are_refused_in_a_sentence(
    arguments: dict[str, Any], sentence: str
) -> None:
    oracle = Oracle("x'*A*x", "x", A=np.eye(3))
    sum_to_one = Oracle("B*x - b", "x", B=np.ones((1, 3)), b=np.ones(1))
    with pytest.raises(ValueError, match=sentence):
        problem(oracle, constraints=sum_to_one, **arguments)


def test_residuals_are_no_objective() -> None:
    residuals = Oracle("B*x - b", "x", B=np.ones((2, 3)), b=np.ones(2))
    with pytest.raises(TypeError, match="problem minimises a scalar; got the residuals of <Oracle"):
        problem(residuals)


def test_bounds_may_have_the_shape_of_a_matrix() -> None:
    lower = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]])
    bounded = problem(Oracle("norm(X - A)^2", "X", A=np.zeros((2, 3))), lower=lower)
    bounded.add_option("print_level", 0)
    x, _ = bounded.solve(np.full(6, 5.0))
    np.testing.assert_allclose(x.reshape(2, 3), lower, atol=1e-4)


@pytest.mark.parametrize("with_hessian", [False, True])
def test_constraints_of_minimize_ipopt_may_have_a_hessian(with_hessian: bool) -> None:
    oracle = Oracle("x'*A*x", "x", A=np.diag([1.0, 2.0]))
    sum_to_one: dict[str, Any] = {
        "type": "eq",
        "fun": lambda x: x.sum() - 1,
        "jac": lambda x: np.ones((1, 2)),
    }
    if with_hessian:
        sum_to_one["hess"] = lambda x, multipliers: np.zeros((2, 2))
    for constraints in (sum_to_one, [sum_to_one]):
        found = minimize(oracle, [0.5, 0.5], constraints=constraints)
        np.testing.assert_allclose(found.x, [2 / 3, 1 / 3], atol=1e-7)
    assert bool(oracle.counts.hessp) == with_hessian


def test_new_constraints_of_scipy_hold() -> None:
    oracle = Oracle("x'*A*x", "x", A=np.diag([1.0, 2.0]))
    sum_to_one = LinearConstraint([[1.0, 1.0]], 1, 1)
    found = minimize(oracle, [0.5, 0.5], constraints=sum_to_one)
    np.testing.assert_allclose(found.x, [2 / 3, 1 / 3], atol=1e-7)


def test_constraints_are_counted_where_ones_are_outside_the_domain() -> None:
    oracle = Oracle("x'*A*x", "x", A=np.eye(2))
    distance = Oracle("log(x - a)", "x", a=np.ones(2), on_failure="raise")
    constrained = problem(oracle, constraints=distance, lower=1.01, constraints_upper=np.inf)
    constrained.add_option("print_level", 0)
    x, info = constrained.solve(np.full(2, 3.0))
    assert info["status"] == 0
    np.testing.assert_allclose(x, 2, atol=1e-6)


@pytest.mark.parametrize(
    "constraints",
    [
        Oracle("x - 2*y", ("y", "x")),
        Oracle("x - 2*z", ("x", "z")),
        Oracle("A*z", "z", A=np.ones((1, 4))),
    ],
    ids=str,
)
def test_constraints_to_which_x_means_something_else_are_refused(constraints: Oracle) -> None:
    oracle = Oracle("norm(x - a)^2 + norm(y - a)^2", ("x", "y"), a=np.ones(2))
    problem(oracle, constraints=Oracle("x - 2*y", ("x", "y")))
    with pytest.raises(ValueError, match="problem needs constraints of x, y in the same places"):
        problem(oracle, constraints=constraints)


def test_constraints_in_another_parametrization_are_refused() -> None:
    by_vech = Oracle("a'*S*a", "S", a=np.ones(2), parametrization="vech")
    problem(by_vech, constraints=Oracle("S*a", "S", a=np.ones(2), parametrization="vech"))
    by_factor = Oracle("S*a", "S", a=np.ones(2), parametrization="cholesky")
    with pytest.raises(ValueError, match="constraints of S in the same places of x and param"):
        problem(by_vech, constraints=by_factor)
