"""Finite-difference Jacobians of any function of arrays, for whole batches of points."""

from matgrad.differences.evaluation import EvaluationError
from matgrad.differences.jacobians import jacobian
from matgrad.differences.native import central_differences
from matgrad.differences.results import JacobianInfo
from matgrad.differences.workers import StackedMap

__all__ = ["EvaluationError", "JacobianInfo", "StackedMap", "central_differences", "jacobian"]
