"""Closed-form matrix derivatives: exact, batched, in compiled code."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from matgrad import layout

if TYPE_CHECKING:
    from matgrad import differences, linalg, testing
    from matgrad.calculus import Derivation, derive
    from matgrad.check import GradientCheck, check_gradient, check_hessian
    from matgrad.configuration import get_num_threads, set_num_threads, show_config
    from matgrad.differences import jacobian
    from matgrad.expression import Expression, parse
    from matgrad.formulas import catalog
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
    "differences",
    "get_num_threads",
    "inv",
    "jacobian",
    "layout",
    "linalg",
    "parse",
    "quadratic_trace",
    "quadratic_trace_and_gradient",
    "set_num_threads",
    "show_config",
    "slogdet",
    "slogdet_and_gradient",
    "testing",
    "trace",
    "trace_product",
]

__version__ = "0.1.0"

# Imported on first use: the symbolic part, for it is most of what `import matgrad` would cost
# beyond NumPy; the compiled part, so that the command line can say in one sentence that the
# instruction set which the environment names is not there.
_ON_FIRST_USE = {
    "Derivation": "matgrad.calculus",
    "Expression": "matgrad.expression",
    "GradientCheck": "matgrad.check",
    "Oracle": "matgrad.oracle",
    "adjugate": "matgrad.linalg",
    "catalog": "matgrad.formulas",
    "check_gradient": "matgrad.check",
    "check_hessian": "matgrad.check",
    "derive": "matgrad.calculus",
    "det": "matgrad.linalg",
    "det_and_gradient": "matgrad.linalg",
    "get_num_threads": "matgrad.configuration",
    "inv": "matgrad.linalg",
    "jacobian": "matgrad.differences",
    "parse": "matgrad.expression",
    "quadratic_trace": "matgrad.linalg",
    "quadratic_trace_and_gradient": "matgrad.linalg",
    "set_num_threads": "matgrad.configuration",
    "show_config": "matgrad.configuration",
    "slogdet": "matgrad.linalg",
    "slogdet_and_gradient": "matgrad.linalg",
    "trace": "matgrad.linalg",
    "trace_product": "matgrad.linalg",
}
_MODULES_ON_FIRST_USE = ("differences", "linalg", "testing")


def __getattr__(name: str) -> Any:
    if name in _MODULES_ON_FIRST_USE:
        return import_module(f"matgrad.{name}")
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'matgrad' has no attribute {name!r}")
    value = getattr(import_module(_ON_FIRST_USE[name]), name)
    globals()[name] = value  # the next look-up costs nothing
    return value


def __dir__() -> list[str]:
    return __all__
