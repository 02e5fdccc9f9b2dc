"""The text of an expression: it parses back to the same expression.

Parentheses stand where the parser needs them, and around a negation that is an operand, for people.
"""

from collections.abc import Sequence
from typing import TypeAlias

from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Call,
    Constant,
    Differential,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    Variable,
)

# Where a node stands below the root: the number of the child at every step down.
Path: TypeAlias = tuple[int, ...]
Span: TypeAlias = tuple[int, int]

# How tightly the signs bind, as in the parser.
SUM, NEGATION, PRODUCT, TRANSPOSE, POWER, ATOM = 10, 20, 30, 40, 41, 50

# Characters of the private use area, which no expression contains.
_OPEN, _CLOSE = "\ue000", "\ue001"


def text(expression: Expression) -> str:
    """Return the text of an expression."""
    return _Text(()).show(expression, (), SUM)


def text_and_spans(expression: Expression, places: Sequence[Path]) -> tuple[str, list[Span]]:
    """Return the text, and where in it the nodes at the given places stand.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> text_and_spans(parse("tr(A*(B + C))"), [(0, 1), (0, 0)])
    ('tr(A*(B + C))', [(6, 11), (3, 4)])
    """
    return (text(expression), [_span(expression, place) for place in places])


def _span(expression: Expression, place: Path) -> Span:
    marked = _Text(place).show(expression, (), SUM)
    return marked.index(_OPEN), marked.index(_CLOSE) - 1


class _Text:
    """Writes a tree, with marks around the node at one place."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def show(self, node: Expression, path: Path, least: int) -> str:
        """Write a node, in parentheses if it binds less tightly than `least`."""
        written, strength = self.write(node, path)
        written = self.mark(written, path)
        return f"({written})" if strength < least else written

    def mark(self, written: str, path: Path) -> str:
        """Put the marks around what is written if this is the place."""
        return f"{_OPEN}{written}{_CLOSE}" if path and path == self.place else written

    def child(self, node: Expression, path: Path, index: int, least: int) -> str:
        """Write a child of a node."""
        return self.show(node.children[index], (*path, index), least)

    def write(self, node: Expression, path: Path) -> tuple[str, int]:
        """Return a node's text and how tightly it binds."""
        match node:
            case Number(value):
                return repr(value), ATOM
            case Variable(name):
                return name, ATOM
            case Constant(name, dimensions):
                return name + f"({', '.join(map(str, dimensions))})" * bool(dimensions), ATOM
            case Call(function):
                arguments = [self.child(node, path, k, SUM) for k in range(len(node.children))]
                return f"{function}({', '.join(arguments)})", ATOM
            case Differential():
                return f"d({self.child(node, path, 0, SUM)})", ATOM
            case Sum():
                return self.sum(node, path), SUM
            case Negation():
                return "-" + self.child(node, path, 0, PRODUCT), NEGATION
            case Product():
                return self.infix(node, path, "*"), PRODUCT
            case Quotient():
                return self.infix(node, path, "/"), PRODUCT
            case ElementwiseProduct():
                return self.infix(node, path, " .* "), PRODUCT
            case ElementwiseQuotient():
                return self.infix(node, path, " ./ "), PRODUCT
            case Transpose():
                return self.child(node, path, 0, TRANSPOSE) + "'", TRANSPOSE
            case Power(base, _):
                return self.power(node, path, "^"), _strength(base)
            case ElementwisePower(base, _):
                return self.power(node, path, ".^"), _strength(base)
        raise TypeError(f"there is no notation for {type(node).__name__}")

    def sum(self, node: Sum, path: Path) -> str:
        """Write terms between plus and minus signs."""
        written = self.child(node, path, 0, NEGATION)
        for index, term in enumerate(node.operands[1:], start=1):
            below = (*path, index)
            if isinstance(term, Negation):
                written += " - " + self.mark(self.child(term, below, 0, PRODUCT), below)
            else:
                written += " + " + self.show(term, below, NEGATION)
        return written

    def infix(self, node: Expression, path: Path, sign: str) -> str:
        """Write operands from the left, of which only the first may be such a node itself."""
        first, *others = range(len(node.children))
        least = [(first, PRODUCT), *((other, TRANSPOSE) for other in others)]
        return sign.join(self.child(node, path, index, strength) for index, strength in least)

    def power(self, node: Expression, path: Path, sign: str) -> str:
        """Write a base, which may be a transpose, and an exponent, which may be a power."""
        base, exponent = node.children
        left = self.child(node, path, 0, TRANSPOSE if isinstance(base, Transpose) else ATOM)
        below = (*path, 1)
        if isinstance(exponent, Negation):
            return f"{left}{sign}-{self.mark(self.child(exponent, below, 0, POWER), below)}"
        return f"{left}{sign}{self.show(exponent, below, POWER)}"


def _strength(base: Expression) -> int:
    """Return how tightly a power binds: in ``A^B'^2`` the mark ends the exponent."""
    return TRANSPOSE if isinstance(base, Transpose) else POWER
