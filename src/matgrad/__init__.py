"""Closed-form matrix derivatives: exact, batched, in compiled code."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from matgrad import layout
from matgrad.configuration import __version__, get_num_threads, set_num_threads, show_config
from matgrad.linalg import (
    adjugate,
    det,
    det_and_gradient,
    inv,
    quadratic_trace,
    quadratic_trace_and_gradient,
    slogdet,
    slogdet_and_gradient,
    trace,
    trace_product,
)

if TYPE_CHECKING:
    from matgrad.calculus import Derivation, derive
    from matgrad.check import GradientCheck, check_gradient, check_hessian
    from matgrad.differences import jacobian
    from matgrad.expression import Expression, parse
    from matgrad.formulas import catalog
    from matgrad.oracle import Oracle

__all__ = [
    "Derivation",
    "Expression",
    "GradientCheck",
    "Oracle",
    "__version__",
    "adjugate",
    "catalog",
    "check_gradient",
    "check_hessian",
    "derive",
    "det",
    "det_and_gradient",
    "get_num_threads",
    "inv",
    "jacobian",
    "layout",
    "parse",
    "quadratic_trace",
    "quadratic_trace_and_gradient",
    "set_num_threads",
    "show_config",
    "slogdet",
    "slogdet_and_gradient",
    "trace",
    "trace_product",
]

# Imported on first use: with multiprocessing and numpy.random, which they bring, they are most
# of what `import matgrad` would cost beyond NumPy.
_ON_FIRST_USE = {
    "Derivation": "matgrad.calculus",
    "Expression": "matgrad.expression",
    "GradientCheck": "matgrad.check",
    "Oracle": "matgrad.oracle",
    "catalog": "matgrad.formulas",
    "check_gradient": "matgrad.check",
    "check_hessian": "matgrad.check",
    "derive": "matgrad.calculus",
    "jacobian": "matgrad.differences",
    "parse": "matgrad.expression",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'matgrad' has no attribute {name!r}")
    return getattr(import_module(_ON_FIRST_USE[name]), name)
