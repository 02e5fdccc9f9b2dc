"""An oracle for NLopt, which wants the gradient written into an array of its own.

>>> import nlopt
>>> import numpy as np
>>> from matgrad import Oracle, catalog
>>> from matgrad.adapters.nlopt import objective
>>> optimizer = nlopt.opt(nlopt.LD_LBFGS, 2)
>>> optimizer.set_min_objective(objective(Oracle(catalog["quadratic-form"], A=np.eye(2))))
>>> optimizer.set_ftol_rel(1e-9)
>>> optimizer.optimize([1.0, 2.0]).round(6)
array([0., 0.])
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

if TYPE_CHECKING:
    from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]


def objective(oracle: "Oracle") -> Callable[[Array, Array], float]:
    """Return the function f(x, gradient) that ``set_min_objective`` and its relatives take.

    It computes no gradient where NLopt asks for none, which it says by an empty array. What is
    raised (``on_failure="raise"``) comes through NLopt, except that LD_LBFGS, LD_TNEWTON and LD_VAR
    turn it into a RuntimeError without words.
    """

    def evaluate(x: Array, gradient: Array) -> float:
        if not gradient.size:
            return float(oracle.value(x))
        value, gradient[:] = oracle.value_and_gradient(x)
        return float(value)

    return evaluate
