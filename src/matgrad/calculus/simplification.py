"""Simplification: the form that a textbook prints.

An expression becomes a sum of terms (`terms`), in which transposes stand at the factors, numbers
are folded, equal terms are collected, identities are dropped and inverses cancel what they meet;
then common factors are taken out again (`factoring`). Of several ways to write the same (a scalar
and its transpose, the rotations of a trace, a sum and its negative) the one met first is kept, so
that the result looks like what went in, and does not depend on anything else.

What is not done: products are not multiplied out over sums, so that nothing grows.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import log2
from operator import attrgetter

from matgrad.calculus.calls import OF_MATRIX, simplified_call
from matgrad.calculus.factoring import expression_of
from matgrad.calculus.inverses import inverted
from matgrad.calculus.neighbours import is_identity, is_ones, joined
from matgrad.calculus.sizes import Shapes, shapes_of
from matgrad.calculus.terms import ONE, Chain, Term, collected, exact, segments
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.functions import FUNCTIONS
from matgrad.expression.nodes import (
    Call,
    Constant,
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
    number_of,
)

# What transposing a whole sum costs a reader beside its nodes: the mark and the parentheses.
MARK = 2

# A power of a number is computed while it is shorter than this.
MOST_BITS = 100

Terms = tuple[Term, ...]


def simplify(
    expression: Expression, zeros: Expression | None = None, shapes: Shapes | None = None
) -> Expression:
    """Return an equal expression, collected and shortened.

    It is equal wherever the expression has a value; ``inv(A)*A`` becomes ``I``, ``x/x`` becomes 1.
    A matrix or vector that is zero becomes `zeros`; without them it stays as it is written, which
    tells its shape. With `shapes`, all constants have their dimensions and keep them; else they
    are left out where their places tell them.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> print(simplify(parse("(A'*X')' + X*A + 0*B")))
    2*X*A
    >>> print(simplify(parse("x'*A'*x*inv(C)*C*y - y*x'*A*x + B*y")))
    B*y
    """
    if shapes is None:
        sized, shapes = shapes_of(expression)
        simple = simplify(sized, zeros, shapes)
        return simple if simple == zeros else shapes.settled(simple)
    simplifier = Simplifier(shapes)
    simple = simplifier.expression(expression)
    return simple if zeros is None or simplifier.terms(simple) else zeros


class Simplifier:
    """Simplifies expressions that belong together: what is equal in them is written alike."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.known: dict[Expression, Terms] = {}
        self.chosen: dict[Expression, Expression] = {}
        self.sums: dict[frozenset[Term], Expression] = {}

    def expression(self, node: Expression) -> Expression:
        """Return the simplified expression: once more as long as that makes it shorter."""
        if not self.terms(node) and not node.is_scalar:
            return node
        result = self.written(self.terms(node), node.kind)
        while self.terms(result) or node.is_scalar:
            shorter = self.written(self.terms(result), node.kind)
            if shorter.node_count >= result.node_count:
                break
            result = shorter
        return result

    def written(self, terms: Terms, kind: Kind) -> Expression:
        """Return terms as an expression; a sum of transposes with one mark, where that is less."""
        result = expression_of(terms, scalar=kind is Kind.SCALAR)
        if len(terms) > 1 and kind is Kind.MATRIX:
            mirrored = expression_of(collected(self.transposed(terms)), scalar=False)
            if mirrored.node_count + MARK < result.node_count:
                return Transpose(mirrored)
        return result

    def terms(self, node: Expression) -> Terms:
        """Return the normal form: collected terms."""
        if node not in self.known:
            self.known[node] = collected(self.expand(node))
        return self.known[node]

    def expand(self, node: Expression) -> Iterable[Term]:
        """Return terms, not yet collected."""
        match node:
            case Number(value):
                return [Term(exact(value))]
            case Constant("zeros"):
                return []
            case Sum(operands):
                return [term for each in operands for term in self.terms(each)]
            case Negation(operand):
                return [term.times(-1) for term in self.terms(operand)]
            case Quotient(numerator, denominator):
                return self.quotient(numerator, denominator)
            case Product():
                return self.product(node)
            case Transpose(operand):
                return self.transposed(self.terms(operand))
            case Power(base, exponent):
                return self.power(base, exponent)
            case ElementwiseProduct(operands):
                return self.elementwise_product(operands)
            case ElementwiseQuotient(numerator, denominator):
                return self.elementwise_quotient(numerator, denominator)
            case ElementwisePower(base, exponent):
                return self.elementwise_power(base, exponent)
            case Call():
                return simplified_call(self, node)
        return [self.atom(node)]

    def atom(self, node: Expression) -> Term:
        """Return what is not simplified further as a term."""
        return Term(scalars=((node, ONE),)) if node.is_scalar else Term(chain=(node,))

    def choice(self, *alternatives: Expression) -> Expression:
        """Return which of equal expressions has been met first."""
        for each in alternatives:
            if each in self.chosen:
                return self.chosen[each]
        best = min(alternatives, key=attrgetter("node_count"))
        self.chosen.update(dict.fromkeys(alternatives, best))
        return best

    # ---- products ---------------------------------------------------------------------------

    def product(self, node: Product) -> Iterable[Term]:
        """Multiply factors; a number times a sum is the only product that is multiplied out."""
        scalars: list[Term] = []
        chain: list[Expression] = []
        for run in node.runs:
            if len(run) == 1 and run[0].is_scalar:
                scalars.append(self.single(run[0]))
                continue
            singles = [self.single(factor) for factor in run]
            if any(term.coefficient == 0 for term in singles):
                return []
            scalars += [Term(term.coefficient, term.scalars) for term in singles]
            inner = [factor for term in singles for factor in term.chain]
            if self.is_number(run):
                scalars.append(self.chained(inner))
            else:
                chain += inner
        total = self.multiplied([*scalars, self.chained(chain)])
        return self.over_sum(total)

    @staticmethod
    def is_number(run: Sequence[Expression]) -> bool:
        """Return whether a run of matrices is a row times a column."""
        return run[0].kind is Kind.ROW and run[-1].kind is Kind.COLUMN

    def single(self, node: Expression) -> Term:
        """Return an expression as one term; a sum of several becomes a factor."""
        terms = self.terms(node)
        if not terms:
            return Term(Fraction(0))
        if len(terms) == 1:
            return terms[0]
        if isinstance(node, Transpose):
            (below,) = self.transposed([self.single(node.operand)])
            return below
        return self.sum_as_factor(terms, node.is_scalar)

    def sum_as_factor(self, terms: Terms, scalar: bool) -> Term:
        """Return a sum as a factor, its common parts before it and its sign as it was met first."""
        total = expression_of(terms, scalar=scalar)
        parts = self.parts(total)
        core = self.sums.setdefault(frozenset(parts[1]), parts[2])
        negative = frozenset(term.times(-1) for term in parts[1])
        if negative in self.sums and self.sums[negative] is not core:
            del self.sums[frozenset(parts[1])]
            return self.multiplied([parts[0].times(-1), self.around(self.sums[negative], scalar)])
        return self.multiplied([parts[0], self.around(core, scalar)])

    def parts(self, total: Expression) -> tuple[Term, Terms, Expression]:
        """Return what stands before the sum in a product with one, the sum's terms, and it."""
        if isinstance(total, Sum):
            return Term(), self.terms(total), total
        return Term(), (self.atom(total),), total

    def around(self, core: Expression, scalar: bool) -> Term:
        """Return a sum, or a product with one, as a term."""
        if isinstance(core, Sum):
            return self.atom(core)
        return self.loose(core, scalar)

    def loose(self, node: Expression, scalar: bool) -> Term:
        """Return a factored sum as coefficient, scalars and chain, without multiplying it out."""
        match node:
            case Negation(operand):
                return self.loose(operand, scalar).times(-1)
            case Quotient(numerator, denominator):
                below = self.loose(denominator, True)
                if below.coefficient:
                    above, inverse = self.loose(numerator, scalar), below.power(-1)
                    return above.times(inverse.coefficient).with_scalars(inverse.scalars)
            case Product():
                return self.multiplied(map(self.loose_run, node.runs))
            case Number(value):
                return Term(exact(value))
        return self.atom(node)

    def loose_run(self, run: Sequence[Expression]) -> Term:
        """Return factors that belong together as a term; a row times a column is one scalar."""
        term = self.multiplied([self.loose(each, each.is_scalar) for each in run])
        if not self.is_number(run):
            return term
        return self.multiplied([Term(term.coefficient, term.scalars), self.chained(term.chain)])

    def multiplied(self, factors: Iterable[Term]) -> Term:
        """Return the product of terms, their chains one after the other."""
        result, chain = Term(), list[Expression]()
        for term in factors:
            result = result.times(term.coefficient).with_scalars(term.scalars)
            chain += term.chain
        return inverted(self, Term(result.coefficient, result.scalars, tuple(chain)))

    def over_sum(self, term: Term) -> Iterable[Term]:
        """Return the terms of a number times a sum, or the term itself."""
        if not term.coefficient:
            return []
        lonely = [base for base, exponent in term.scalars if exponent == 1]
        match (term.scalars, term.chain, lonely):
            case ((), (Sum() as total,), _) | ((_,), (), [Sum() as total]):
                return [each.times(term.coefficient) for each in self.terms(total)]
        return [term]

    def chained(self, factors: Sequence[Expression]) -> Term:
        """Return a product of matrices: neighbours joined, numbers in it as scalar factors."""
        numbers, rest = segments(self.reduced(factors))
        scalars = [self.inner_product(segment) for segment in numbers]
        return self.multiplied([*scalars, Term(chain=rest)])

    def inner_product(self, segment: Chain) -> Term:
        """Return a row times a column, which equals its transpose."""
        mirrored = self.mirrored(segment)
        return self.atom(self.choice(Product.of(*segment), Product.of(*mirrored)))

    def mirrored(self, chain: Chain) -> Chain:
        """Return the factors of the transpose."""
        return tuple(self.transpose(factor) for factor in reversed(chain))

    def reduced(self, factors: Sequence[Expression]) -> list[Expression]:
        """Return factors without identities, inverses cancelled, powers of the same joined."""
        result: list[Expression] = []
        for factor in factors:
            if is_identity(factor):
                continue
            both = joined(result[-1], factor) if result else None
            if both is None:
                result.append(factor)
            elif is_identity(both):
                result.pop()
            else:
                result[-1] = both
        return result or [self.shapes.identity(each) for each in factors[:1]]

    # ---- transposes -------------------------------------------------------------------------

    def transposed(self, terms: Iterable[Term]) -> Iterable[Term]:
        """Return the terms of the transpose."""
        return [Term(t.coefficient, t.scalars, self.mirrored(t.chain)) for t in terms]

    def transpose(self, node: Expression) -> Expression:
        """Return the transpose of a factor, the mark at the innermost places."""
        match node:
            case Transpose(operand):
                return operand
            case Variable() if node.is_symmetric:
                return node
            case Constant("I"):
                return node
            case Constant(name, dimensions) if node.kind is Kind.MATRIX:
                return Constant(name, tuple(reversed(dimensions)))
            case Call("diag", (vector,)) if vector.kind is not Kind.MATRIX:
                return node
            case Sum():
                return self.transposed_sum(node)
            case ElementwiseProduct() | ElementwiseQuotient() | ElementwisePower():
                return self.spread(node)
            case Call("kron") | Call("conj"):
                return self.spread(node)
            case Call(function, (argument,)) if FUNCTIONS[function].elementwise:
                return Call(function, (self.expression(Transpose(argument)),))
            case Call(function, (argument,)) if function in OF_MATRIX:
                return self.of_transpose(node, argument, lambda A: Call(function, (A,)))
            case Power(base, exponent):
                return self.of_transpose(node, base, lambda A: Power.of(A, exponent))
        return Transpose(node)

    def transposed_sum(self, node: Sum) -> Expression:
        """Return the transpose of a sum that is a factor: itself if it is symmetric."""
        terms = self.terms(node)
        mirrored = collected(self.transposed(terms))
        if frozenset(mirrored) == frozenset(terms):
            return node
        return self.choice(Transpose(node), expression_of(mirrored, scalar=False))

    def spread(self, node: Expression) -> Expression:
        """Return the node over the transposes of its operands."""
        children = [
            each if each.is_scalar else self.expression(Transpose(each)) for each in node.children
        ]
        return self.factor(node.rebuild(children))

    def factor(self, node: Expression) -> Expression:
        """Return what a factor simplifies to, which must be one factor again."""
        term = self.single(node)
        alone = term.coefficient == 1 and not term.scalars and len(term.chain) == 1
        return term.chain[0] if alone else node

    def of_transpose(
        self, node: Expression, argument: Expression, rebuild: Callable[[Expression], Expression]
    ) -> Expression:
        """Return f(A)' as f(A) for a symmetric A, else in the way of writing met first."""
        mirrored = self.expression(Transpose(argument))
        if mirrored == argument:
            return node
        return self.choice(Transpose(node), rebuild(mirrored))

    def with_argument(
        self, argument: Expression, rebuild: Callable[[Expression], Expression]
    ) -> Expression:
        """Return f(A), for A' as f(A)', or as f(A) where that has been met."""
        mirrored = self.expression(Transpose(argument))
        if mirrored == argument:
            return rebuild(argument)
        return self.choice(rebuild(argument), Transpose(rebuild(mirrored)))

    # ---- quotients and powers ---------------------------------------------------------------

    def quotient(self, numerator: Expression, denominator: Expression) -> Iterable[Term]:
        """Divide by a scalar: its factors get negative exponents."""
        below = self.single(denominator)
        if not below.coefficient:
            return [self.atom(Quotient(self.expression(numerator), Number(0)))]
        inverse = below.power(-1)
        above = self.terms(numerator)
        divided = [self.multiplied([t, inverse]) for t in above]
        if len(above) > 1 and any(set(inverse.scalars) <= set(t.scalars) for t in divided):
            divided = [self.multiplied([self.single(numerator), inverse])]
        return divided

    def power(self, base: Expression, exponent: Expression) -> Iterable[Term]:
        """Raise a scalar or a matrix to a power."""
        k = number_of(self.expression(exponent))
        whole = k is not None and float(k).is_integer()
        if not base.is_scalar:
            return self.matrix_power(base, exponent, int(k) if k is not None and whole else None)
        term = self.single(base)
        if k is not None and whole and (term.coefficient or k >= 0) and _is_tame(term, k):
            return self.over_sum(term.power(int(k)))
        if k is not None and len(term.scalars) == 1 and term == self.atom(term.scalars[0][0]):
            return [Term(scalars=((term.scalars[0][0], exact(k)),))]
        return [self.atom(Power(self.expression(base), self.expression(exponent)))]

    def matrix_power(self, base: Expression, exponent: Expression, k: int | None) -> list[Term]:
        """Raise a matrix to a power; (X')^k is (X^k)'."""
        A = self.expression(base)
        if k is None:
            exponent = self.expression(exponent)
            return [Term(chain=(self.with_argument(A, lambda A: Power.of(A, exponent)),))]
        match A:
            case Power(inner, other) if (j := number_of(other)) is not None:
                A, k = inner, int(j) * k
        if k in (0, 1) or is_identity(A):
            return [Term(chain=(self.shapes.identity(A),))] if k != 1 else list(self.terms(A))
        whole = k
        return [Term(chain=(self.with_argument(A, lambda A: Power.of(A, whole)),))]

    # ---- elementwise ------------------------------------------------------------------------

    def elementwise_product(self, operands: Sequence[Expression]) -> Iterable[Term]:
        """Multiply elements; coefficients and scalars come before."""
        scalars: list[Term] = []
        spread: list[Expression] = []
        for operand in operands:
            term = self.single(operand)
            if not term.coefficient:
                return []
            scalars.append(Term(term.coefficient, term.scalars))
            factor = Product.of(*term.chain) if term.chain else None
            inner = factor.operands if isinstance(factor, ElementwiseProduct) else (factor,)
            spread += [each for each in inner if each is not None]
        # All that is spread has one shape, so that ones go beside anything else.
        plain = [each for each in spread if not is_ones(each)] or spread[:1]
        if any(map(is_identity, plain)):
            plain = [self.untransposed(each) for each in plain]
        result = self.choice(*_orders(plain)) if plain else None
        chain = () if result is None else (result,)
        return self.over_sum(self.multiplied([*scalars, Term(chain=chain)]))

    @staticmethod
    def untransposed(node: Expression) -> Expression:
        """Return the operand of a transpose: beside I only the diagonal counts."""
        return node.operand if isinstance(node, Transpose) else node

    def elementwise_quotient(
        self, numerator: Expression, denominator: Expression
    ) -> Iterable[Term]:
        """Divide elements; coefficients and scalars come before."""
        if denominator.is_scalar:
            return self.quotient(numerator, denominator)
        above, below = self.single(numerator), self.single(denominator)
        if not above.coefficient:
            return []
        if not below.coefficient:
            return [self.atom(ElementwiseQuotient(numerator, denominator))]
        inverse = Term(below.coefficient, below.scalars).power(-1)
        top = Product.of(*above.chain) if above.chain else Number(1)
        node = ElementwiseQuotient(top, Product.of(*below.chain))
        return [self.multiplied([Term(above.coefficient, above.scalars), inverse, self.atom(node)])]

    def elementwise_power(self, base: Expression, exponent: Expression) -> Iterable[Term]:
        """Raise elements; the exponents 0 and 1 are no work."""
        if base.is_scalar and exponent.is_scalar:
            return self.power(base, exponent)
        k = number_of(self.expression(exponent))
        if k == 1 and not base.is_scalar:
            return self.terms(base)
        return [self.atom(ElementwisePower(self.expression(base), self.expression(exponent)))]


def _is_tame(term: Term, exponent: float) -> bool:
    """Return whether a power of the coefficient is a number of moderate size."""
    if not term.coefficient:
        return True
    size = abs(Fraction(term.coefficient))
    return abs(exponent * (log2(size.numerator) - log2(size.denominator))) <= MOST_BITS


def _orders(factors: Sequence[Expression]) -> list[Expression]:
    """Return the elementwise product in the order given, and in the order by name."""
    ordered = sorted(factors, key=str)
    return [ElementwiseProduct.of(*factors), ElementwiseProduct.of(*ordered)]
