"""The engine: derivatives of matrix expressions, derived step by step."""

from matgrad.calculus.derivation import Condition, Derivation, NotDifferentiableError, Step
from matgrad.calculus.deriving import derive
from matgrad.calculus.reading import hessian_product
from matgrad.calculus.simplification import simplify

__all__ = [
    "Condition",
    "Derivation",
    "NotDifferentiableError",
    "Step",
    "derive",
    "hessian_product",
    "simplify",
]
