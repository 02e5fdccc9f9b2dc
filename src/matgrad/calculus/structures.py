"""Gradients by matrices that have a structure: projected to the directions that keep it."""

from typing import Literal, TypeAlias

from matgrad.calculus.simplification import simplify
from matgrad.calculus.sizes import Shapes
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
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


def projected(
    G: Expression, variable: Variable, convention: Convention, shapes: Shapes
) -> Expression:
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
    diagonal = ElementwiseProduct.of(G, shapes.identity(variable))
    both = Sum.of(G, Transpose(G))
    if "diagonal" in variable.structure:
        return simplify(diagonal, shapes.zeros(G), shapes)
    if variable.is_symmetric:
        free = convention == "free"
        total = Sum.of(both, Negation(diagonal)) if free else Quotient(both, Number(2))
        return simplify(total, shapes.zeros(G), shapes)
    if "orthogonal" in variable.structure:
        turned = Product.of(variable, Transpose(G), variable)
        return simplify(Quotient(Sum.of(G, Negation(turned)), Number(2)), shapes.zeros(G), shapes)
    return G
