"""Gradients by matrices that have a structure: projected to the directions that keep it."""

from typing import Literal, TypeAlias

from matgrad.calculus.simplification import simplify
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Constant,
    ElementwiseProduct,
    Negation,
    Number,
    Product,
    Quotient,
    Sum,
    Transpose,
    Variable,
)

Convention: TypeAlias = Literal["symmetric", "free"]
CONVENTIONS = ("symmetric", "free")


def projected(G: Expression, variable: Variable, convention: Convention) -> Expression:
    """Return the gradient by a variable with a structure, from that by independent entries.

    ==================  ==============================  =======================================
    structure           gradient                        source
    ==================  ==============================  =======================================
    symmetric           (G + G')/2                      Srinivasan and Panda, arXiv:1911.06491
    symmetric, free     G + G' - G .* I                 Matrix Cookbook, 138
    positive definite   as symmetric
    diagonal            G .* I                          Matrix Cookbook, 142
    orthogonal          (G - X G' X)/2                  the part tangent at X
    ==================  ==============================  =======================================
    """
    if convention not in CONVENTIONS:
        listed = ", ".join(map(repr, CONVENTIONS))
        raise ValueError(f"derive: convention must be one of {listed}; got {convention!r}")
    if "diagonal" in variable.structure:
        return simplify(ElementwiseProduct.of(G, Constant("I")))
    if variable.is_symmetric:
        return _symmetric(G, convention)
    if "orthogonal" in variable.structure:
        return simplify(
            Quotient(Sum.of(G, -Product.of(variable, Transpose(G), variable)), Number(2))
        )
    return G


def _symmetric(G: Expression, convention: Convention) -> Expression:
    both = Sum.of(G, Transpose(G))
    if convention == "symmetric":
        return simplify(Quotient(both, Number(2)))
    return simplify(Sum.of(both, Negation(ElementwiseProduct.of(G, Constant("I")))))
