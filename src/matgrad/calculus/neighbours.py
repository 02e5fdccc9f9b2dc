"""Neighbours in a product: identities, powers of the same matrix, orthogonal ones."""

from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Call, Constant, Power, Transpose, Variable, number_of


def joined(left: Expression, right: Expression) -> Expression | None:
    """Return the product of neighbours where it is one factor: I, or a power."""
    (a, j), (b, k) = _as_power(left), _as_power(right)
    if _are_orthogonal(left, right):
        return Constant("I")
    match left, right:
        case Constant("ones", (rows,)), Transpose(Constant("ones", (columns,))):
            return Constant("ones", (rows, columns))
    if a != b:
        return None
    return Constant("I") if j + k == 0 else a if j + k == 1 else Power.of(a, j + k)


def _as_power(node: Expression) -> tuple[Expression, int]:
    """Return base and exponent; of a transpose the base is the transpose."""
    match node:
        case Call("inv", (base,)):
            return base, -1
        case Power(base, exponent) if (k := number_of(exponent)) is not None:
            return base, int(k)
        case Transpose(Call("inv") | Power() as inner):
            base, k = _as_power(inner)
            return Transpose(base), k
    return node, 1


def _are_orthogonal(left: Expression, right: Expression) -> bool:
    match left, right:
        case (Transpose(Variable() as Q), other) | (Variable() as Q, Transpose(other)):
            return other == Q and "orthogonal" in Q.structure
    return False


def is_identity(node: Expression) -> bool:
    """Return whether a node is I."""
    return isinstance(node, Constant) and node.name == "I"


def is_ones(node: Expression) -> bool:
    """Return whether a node is a constant of ones."""
    return isinstance(node, Constant) and node.name == "ones"
