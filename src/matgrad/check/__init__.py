"""The gradient check: whether this is the derivative of that function, and what is wrong."""

from matgrad.check.checks import check_gradient, check_hessian
from matgrad.check.outcome import GradientCheck

__all__ = ["GradientCheck", "check_gradient", "check_hessian"]
