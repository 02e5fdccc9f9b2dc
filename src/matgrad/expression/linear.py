"""What is linear in a chain of matrices: the product itself, its trace, the sum of its elements.

Coefficients are taken out, and applied where there is least to multiply; the product under a trace
or a sum is never formed.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import TypeAlias

from matgrad.expression import chains
from matgrad.expression.builder import Builder
from matgrad.expression.chains import Form, Link
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.multiples import Factor, Multiple, multiple
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwiseProduct,
    Power,
    Product,
    Sum,
    Transpose,
    Variable,
    number_of,
)
from matgrad.expression.program import Register

# A register, and whether its value is to be taken negative: a sum subtracts it then.
Signed: TypeAlias = tuple[bool, Register]

# A power up to this one, in a product with a vector, is applied factor by factor.
LONGEST_UNFOLDED_POWER = 16


class Linear:
    """Linear functions of expressions.

    Parameters
    ----------
    builder : Builder
        Where the program is written.
    value : callable
        Returns the register of an expression's value.
    known : callable
        Tells whether an expression's value has been computed.
    """

    def __init__(
        self,
        builder: Builder,
        value: Callable[[Expression], Register],
        known: Callable[[Expression], bool],
    ) -> None:
        self.builder, self.value, self.known = builder, value, known

    def product(self, node: Expression) -> Signed:
        """Return an expression as it is."""
        parts = multiple(node)
        if not parts.factors:
            return self.scaled(parts, self.builder.number(1))
        terms = self.terms_by_vector(parts.factors)
        if terms:
            return self.scaled(parts, self.plain(self.total(map(self.product, terms))))
        links = self.links(parts.factors)
        place = self.thin(links)
        if place is None:
            return self.scaled(parts, chains.product(self.builder, links))
        negative, scaled = self.scaled(parts, links[place].register)
        links[place] = links[place]._replace(register=scaled)
        return negative, chains.product(self.builder, links)

    def trace(self, node: Expression) -> Signed:
        """Return the trace of an expression."""
        return self.functional(node, self.trace, self.trace_of_chain)

    def sum(self, node: Expression) -> Signed:
        """Return the sum of all elements of an expression."""
        return self.functional(node, self.sum, self.sum_of_chain)

    def total(self, terms: Iterable[Signed]) -> Signed:
        """Return the sum of terms, each added as soon as it is there, so that it can be let go.

        It is negative if all of them are.
        """
        return reduce(self.plus, terms)

    def plain(self, signed: Signed) -> Register:
        """Return the register of a value with its sign."""
        negative, register = signed
        return self.builder.negative(register) if negative else register

    def plus(self, a: Signed, b: Signed) -> Signed:
        """Return the sum of two terms."""
        (a_negative, x), (b_negative, y) = a, b
        if a_negative == b_negative:
            return a_negative, self.builder.elementwise("add", x, y)
        x, y = (y, x) if a_negative else (x, y)
        opposite = self.builder.known("subtract", (y, x))
        if opposite is not None:
            return True, opposite
        return False, self.builder.elementwise("subtract", x, y)

    def scaled(self, parts: Multiple, register: Register) -> Signed:
        """Return a register times a coefficient."""
        b = self.builder
        above = reduce(b.multiply, map(self.value, parts.numerators), b.number(1))
        below = reduce(b.multiply, map(self.value, parts.denominators), b.number(1))
        if parts.numerators:
            above, below = b.elementwise("divide", above, below), b.number(1)
        return parts.negative, b.elementwise("divide", b.multiply(above, register), below)

    def thin(self, links: Sequence[Link]) -> int | None:
        """Return a vector in a chain whose product is none: there is least to multiply there."""
        if min(chains.size(self.builder, links)) == 1:
            return None
        sizes = [min(self.builder.extents[link.register][:2]) for link in links]
        return sizes.index(1) if 1 in sizes else None

    def terms_by_vector(self, factors: Sequence[Factor]) -> list[Expression]:
        """Return the terms of (A + B) x as A x and B x: the sum of matrices is not formed.

        It is where it is known, or the same for a whole batch of vectors.
        """
        sums = [k for k, factor in enumerate(factors) if isinstance(factor.node, Sum)]
        if len(factors) != 2 or len(sums) != 1:
            return []
        (place,) = sums
        matrix, vector = factors[place].node, factors[1 - place].node
        if matrix.kind is not Kind.MATRIX or vector.kind is Kind.MATRIX or self.known(matrix):
            return []
        if self.is_batched(vector) and not self.is_batched(matrix):
            return []
        sides = [[_oriented(factor)] for factor in factors]
        sides[place] = [
            _oriented(Factor(term, factors[place].transposed)) for term in matrix.children
        ]
        return [Product.of(left, right) for left in sides[0] for right in sides[1]]

    def is_batched(self, node: Expression) -> bool:
        """Return whether an expression differs from point to point."""
        variables = (each for each in node.walk() if isinstance(each, Variable))
        return any(self.builder.extents[self.value(each)].batched for each in variables)

    def functional(
        self,
        node: Expression,
        function: Callable[[Expression], Signed],
        of_chain: Callable[[Sequence[Factor]], Register],
    ) -> Signed:
        """Return a linear function whose values are scalars, term by term for a sum of products."""
        parts = multiple(node)
        if not parts.factors:
            return self.scaled(parts, self.builder.number(1))
        inner = parts.factors[0].node
        if len(parts.factors) > 1 or not self.is_worth_splitting(inner):
            return self.scaled(parts, of_chain(parts.factors))
        total = self.total(map(function, inner.children))
        return self.scaled(parts, self.plain(total))

    def is_worth_splitting(self, node: Expression) -> bool:
        """Return whether an expression is a sum of which some terms need not be formed."""
        return (
            isinstance(node, Sum)
            and not self.known(node)
            and any(_need_not_be_formed(multiple(term).factors) for term in node.operands)
        )

    def trace_of_chain(self, factors: Sequence[Factor]) -> Register:
        """Return the trace of a product; tr(A^8) is one of A^4 with A^4."""
        match factors:
            case [Factor(Power(base, exponent), transposed)]:
                k = number_of(exponent)
                if k is not None and abs(k) > 1:
                    half = int(k) // 2
                    powers = Power.of(base, half), Power.of(base, int(k) - half)
                    factors = [Factor(power, transposed) for power in powers]
        return chains.trace(self.builder, self.links(factors))

    def sum_of_chain(self, factors: Sequence[Factor]) -> Register:
        """Return the sum of the elements of a product: 1' A B 1, or tr(A' B) for A .* B."""
        b = self.builder
        node = factors[0].node
        if len(factors) == 1 and isinstance(node, ElementwiseProduct):
            return self.sum_of_elementwise_product(node)
        links = self.links(factors)
        if len(links) == 1:
            return b.scalar("sum", chains.product(b, links))
        rows, columns = chains.size(b, links)
        left = b.emit("fill", (), 1, rows, 1, 1, rows)
        right = b.emit("fill", (), columns, 1, 1, columns, 1)
        return chains.product(b, [Link(left), *links, Link(right)])

    def sum_of_elementwise_product(self, node: ElementwiseProduct) -> Register:
        """Return tr(A' B) for the sum of the elements of A .* B."""
        b = self.builder
        scalars = [self.value(factor) for factor in node.operands if factor.is_scalar]
        spread = [self.value(factor) for factor in node.operands if not factor.is_scalar]
        *others, last = spread
        if not others:
            total = b.scalar("sum", last)
        else:
            first = b.transpose(reduce(b.multiply, others))
            total = b.scalar("trace_product", first, last)
        return reduce(b.multiply, scalars, total)

    def links(self, factors: Sequence[Factor]) -> list[Link]:
        """Return factors as links of a chain; I is none unless it is alone."""
        others = [f for f in factors if not isinstance(f.node, Constant) or f.node.name != "I"]
        chain = others or factors[:1]
        kinds = {factor.node.kind for factor in chain}
        unfold = bool(kinds & {Kind.COLUMN, Kind.ROW})
        return [link for factor in chain for link in self.link(*factor, unfold)]

    def link(self, node: Expression, transposed: bool, unfold: bool) -> list[Link]:
        """Return a factor as a link, a power that shall be unfolded as several."""
        match node:
            case Call("inv", (matrix,)):
                return [Link(self.turned(matrix, transposed), Form.INVERSE)]
            case Call("diag", (vector,)) if vector.kind is not Kind.MATRIX:
                return [Link(self.turned(vector, vector.kind is Kind.ROW), Form.DIAGONAL)]
            case Power(matrix, exponent) if unfold:
                k = number_of(exponent)
                if k is not None and 0 < abs(k) <= LONGEST_UNFOLDED_POWER:
                    form = Form.MATRIX if k > 0 else Form.INVERSE
                    return [Link(self.turned(matrix, transposed), form)] * abs(int(k))
        return [Link(self.turned(node, transposed))]

    def turned(self, node: Expression, transposed: bool) -> Register:
        """Return the register of an expression or of its transpose."""
        register = self.value(node)
        return self.builder.transpose(register) if transposed else register


def _oriented(factor: Factor) -> Expression:
    return Transpose(factor.node) if factor.transposed else factor.node


def _need_not_be_formed(factors: Sequence[Factor]) -> bool:
    return len(factors) > 1 or (bool(factors) and isinstance(factors[0].node, ElementwiseProduct))
