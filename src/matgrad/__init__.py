"""Closed-form matrix derivatives: exact, batched, in compiled code."""

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

__version__ = "0.1.0"

__all__ = [
    "adjugate",
    "det",
    "det_and_gradient",
    "inv",
    "quadratic_trace",
    "quadratic_trace_and_gradient",
    "slogdet",
    "slogdet_and_gradient",
    "trace",
    "trace_product",
]
