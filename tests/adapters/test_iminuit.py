"""iminuit with oracles."""

import numpy as np
import pytest

from matgrad.adapters.iminuit import minuit
from tests.adapters.problems import PROBLEMS

iminuit = pytest.importorskip("iminuit")


@pytest.mark.parametrize("name", PROBLEMS)
def test_migrad_goes_as_with_a_gradient_by_hand(name: str) -> None:
    problem = PROBLEMS[name]()
    found = minuit(problem.oracle, problem.start).migrad()
    wanted = iminuit.Minuit(
        lambda x: problem.by_hand(x)[0], problem.start, grad=lambda x: problem.by_hand(x)[1]
    )
    wanted.errordef = iminuit.Minuit.LIKELIHOOD
    wanted.migrad()
    assert found.valid
    assert found.nfcn == wanted.nfcn
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-8, atol=1e-8)
    assert problem.oracle.counts.factorisations <= problem.oracle.counts.values
