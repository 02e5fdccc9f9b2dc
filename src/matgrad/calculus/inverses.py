"""Inverses in products: adj(A)/det(A) is inv(A), which has a value where that has one."""

from collections.abc import Container
from typing import TYPE_CHECKING

from matgrad.calculus.terms import ONE, Term
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Call, Transpose

if TYPE_CHECKING:
    from matgrad.calculus.simplification import Simplifier


def inverted(simplifier: "Simplifier", term: Term) -> Term:
    """Return a term with inverses where adjugates are divided by their determinants."""
    below = {base for base, exponent in term.scalars if exponent <= -1}
    for k, factor in enumerate(term.chain if below else ()):
        if (found := _over_det(simplifier, factor, below)) is not None:
            inverse, det = found
            rest = Term(term.coefficient, term.scalars).with_scalars(((det, ONE),))
            chain = [*term.chain[:k], inverse, *term.chain[k + 1 :]]
            return simplifier.multiplied([rest, simplifier.chained(chain)])
    return term


def _over_det(
    simplifier: "Simplifier", factor: Expression, below: Container[Expression]
) -> tuple[Expression, Expression] | None:
    """Return the inverse instead of an adjugate, and the determinant that it is divided by."""
    match factor:
        case Transpose(operand):
            found = _over_det(simplifier, operand, below)
            return found and (simplifier.transpose(found[0]), found[1])
        case Call("adj", (A,)):
            det = simplifier.single(Call("det", (A,)))
            if len(det.scalars) == 1 and det.scalars[0][0] in below:
                return simplifier.factor(Call("inv", (A,))), det.scalars[0][0]
    return None
