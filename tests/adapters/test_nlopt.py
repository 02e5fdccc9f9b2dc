"""NLopt with oracles."""

import numpy as np
import pytest

from matgrad import Oracle
from matgrad.adapters.nlopt import objective
from tests.adapters.problems import PROBLEMS

nlopt = pytest.importorskip("nlopt")


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("algorithm", ["LD_LBFGS", "LD_TNEWTON_PRECOND_RESTART", "LD_SLSQP"])
def test_an_algorithm_goes_as_with_a_gradient_by_hand(name: str, algorithm: str) -> None:
    problem = PROBLEMS[name]()

    def by_hand(x: np.ndarray, gradient: np.ndarray) -> float:
        value, by_x = problem.by_hand(x)
        if gradient.size:
            gradient[:] = by_x
        return value

    found = []
    for function in (objective(problem.oracle), by_hand):
        optimizer = nlopt.opt(getattr(nlopt, algorithm), len(problem.start))
        optimizer.set_min_objective(function)
        optimizer.set_xtol_rel(1e-10)
        optimizer.set_maxeval(25)
        found.append((optimizer.optimize(problem.start), optimizer.get_numevals()))
    (x, count), (wanted, wanted_count) = found
    assert count == wanted_count
    np.testing.assert_allclose(x, wanted, rtol=1e-8, atol=1e-8)
    assert problem.oracle.counts.factorisations <= problem.oracle.counts.values <= count


def test_without_a_gradient_only_the_value_is_computed() -> None:
    oracle = Oracle("x'*x", "x")
    assert objective(oracle)(np.array([1.0, 2.0]), np.zeros(0)) == 5.0
    assert (oracle.counts.values, oracle.counts.gradients) == (1, 0)


def test_an_error_outside_the_domain_reaches_the_caller() -> None:
    oracle = Oracle("logdet(X)", "X", on_failure="raise")
    optimizer = nlopt.opt(nlopt.LD_LBFGS, 4)
    optimizer.set_min_objective(objective(oracle))
    with pytest.raises(np.linalg.LinAlgError, match="outside the domain"):
        optimizer.optimize(np.zeros(4))
    assert oracle.value(np.eye(2)) == 0.0
