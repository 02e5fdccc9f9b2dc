"""Functions, simplified: what is known of each, on arguments that are simple already."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from matgrad.calculus.neighbours import is_identity, is_ones
from matgrad.calculus.terms import Chain, Term
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Call, Number, Product, Transpose, Variable

if TYPE_CHECKING:
    from matgrad.calculus.simplification import Simplifier

# Functions of a matrix with f(A') = f(A)'.
OF_MATRIX = frozenset({"inv", "adj", "expm", "sinm", "cosm"})


def simplified_call(s: "Simplifier", node: Call) -> Iterable[Term]:
    """Simplify the arguments, then what is known of the function."""
    match node:
        case Call("tr", (argument,)):
            return [term for each in s.terms(argument) for term in _trace(s, each)]
        case Call("sum" | "diag" | "vec", (argument,)) if _is_multiple(s, argument):
            return _linear(s, node.function, argument)
        case Call("kron", (left, right)):
            return _kronecker(s, left, right)
        case Call("inv", (argument,)):
            return _inverse(s, argument)
    arguments = [s.expression(argument) for argument in node.arguments]
    match node.function:
        case "det" if is_identity(arguments[0]):
            return [Term()]
        case "logdet" if is_identity(arguments[0]):
            return []
        case "diag" if is_ones(arguments[0]) and arguments[0].kind is Kind.COLUMN:
            return [s.atom(s.shapes.identity(arguments[0]))]
        case "det" | "logdet" | "norm" | "norm1" | "sum":
            mirrored = s.expression(Transpose(arguments[0]))
            alternatives = [Call(node.function, (each,)) for each in (arguments[0], mirrored)]
            return [s.atom(s.choice(*alternatives))]
        case function if function in OF_MATRIX:
            simplified = s.with_argument(arguments[0], lambda A: Call(function, (A,)))
            return [s.atom(simplified)]
        case "diag" | "vec" if arguments[0].is_scalar:
            return s.terms(arguments[0])
    return [s.atom(Call(node.function, tuple(arguments)))]


def _is_multiple(s: "Simplifier", argument: Expression) -> bool:
    """Return whether something can be taken out of a linear function."""
    term = s.single(argument)
    return not term.coefficient or term.coefficient != 1 or bool(term.scalars)


def _linear(s: "Simplifier", function: str, argument: Expression) -> Iterable[Term]:
    """Take the coefficient and the scalars out of a linear function."""
    term = s.single(argument)
    if not term.coefficient:
        return []
    before = Term(term.coefficient, term.scalars)
    inner = Product.of(*term.chain) if term.chain else Number(1)
    if inner.is_scalar:
        return [before]
    return [s.multiplied([before, s.single(Call(function, (inner,)))])]


def _trace(s: "Simplifier", term: Term) -> Iterable[Term]:
    """Return the trace of a term: of its rotations and their transposes, the one met first."""
    before = Term(term.coefficient, term.scalars)
    if not term.chain:
        return [before]
    rotations = [term.chain[k:] + term.chain[:k] for k in range(len(term.chain))]
    for chain in rotations:
        reduced = s.reduced(chain)
        if is_identity(reduced[0]):
            return [s.multiplied([before, s.atom(Call("tr", (reduced[0],)))])]
        if len(reduced) < len(chain):
            return _trace(s, s.multiplied([before, Term(chain=tuple(reduced))]))
        if chain[0].kind is Kind.ROW:
            return [s.multiplied([before, s.inner_product(chain)])]
    ways = [*rotations, *map(s.mirrored, rotations)]
    return [
        s.multiplied([before, s.atom(s.choice(*(Call("tr", (Product.of(*w),)) for w in ways)))])
    ]


def _inverse(s: "Simplifier", argument: Expression) -> Iterable[Term]:
    """Return the inverse of a multiple of a matrix."""
    term = s.single(argument)
    if not term.coefficient or not term.chain:
        return [s.atom(Call("inv", (s.expression(argument),)))]
    before = Term(term.coefficient, term.scalars).power(-1)
    inner = Product.of(*term.chain)
    match inner:
        case Call("inv", (original,)):
            chain = [original]
        case Transpose(Call("inv", (original,))):
            chain = [s.transpose(original)]
        case Variable() if "orthogonal" in inner.structure:
            chain = [Transpose(inner)]
        case Transpose(Variable() as variable) if "orthogonal" in variable.structure:
            chain = [variable]
        case _ if is_identity(inner):
            chain = [inner]
        case _:
            chain = [s.with_argument(inner, lambda A: Call("inv", (A,)))]
    return [s.multiplied([before, Term(chain=tuple(chain))])]


def _kronecker(s: "Simplifier", left: Expression, right: Expression) -> Iterable[Term]:
    """Return a Kronecker product; of a column and a row it is their product."""
    first, second = s.single(left), s.single(right)
    if not first.coefficient or not second.coefficient:
        return []
    before = s.multiplied(
        [Term(first.coefficient, first.scalars), Term(second.coefficient, second.scalars)]
    )
    if not first.chain or not second.chain:
        return s.over_sum(s.multiplied([before, Term(chain=first.chain + second.chain)]))
    A, B = Product.of(*first.chain), Product.of(*second.chain)
    match A.kind, B.kind:
        case Kind.COLUMN, Kind.ROW:
            chain: Chain = (*first.chain, *second.chain)
        case Kind.ROW, Kind.COLUMN:
            chain = (*second.chain, *first.chain)
        case _:
            chain = (Call("kron", (A, B)),)
    return [s.multiplied([before, Term(chain=chain)])]
