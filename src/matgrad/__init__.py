"""Closed-form matrix derivatives: exact, batched, in compiled code."""

from matgrad import layout
from matgrad.check import GradientCheck, check_gradient, check_hessian
from matgrad.configuration import __version__, get_num_threads, set_num_threads, show_config
from matgrad.differences import jacobian
from matgrad.expression import Expression, parse
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

__all__ = [
    "Expression",
    "GradientCheck",
    "__version__",
    "adjugate",
    "check_gradient",
    "check_hessian",
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
