"""Derivatives in index notation: the product rule, entry by entry (lecture-a, sections 2 to 5).

Products, transposes, traces, sums and elementwise products are written in indices and
differentiated there. What the notation has no signs for (an inverse, a determinant, an elementwise
function, a sum inside a product) is an entry of its own, whose known derivative is used, and named.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from matgrad.calculus.canonical import weights
from matgrad.calculus.derivation import NotDifferentiableError
from matgrad.calculus.differentials import Differentials
from matgrad.calculus.einstein.indices import (
    Delta,
    Fresh,
    Index,
    IndexExpression,
    Product,
    Slope,
    Tensor,
    number,
)
from matgrad.calculus.elementwise import ELEMENTWISE
from matgrad.calculus.terms import exact
from matgrad.expression import nodes
from matgrad.expression.dimension import Dimension, Kind, Shape
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Power,
    Quotient,
    Sum,
    Transpose,
    Variable,
    number_of,
)

Terms: TypeAlias = list[Product]


class Slopes:
    """Derivatives of scalars, and of entries of matrices and vectors, by X_st.

    Parameters
    ----------
    variable : Variable
        X.
    shapes : callable
        Returns rows and columns of a part.
    """

    def __init__(self, variable: Variable, shapes: Callable[[Expression], Shape]) -> None:
        self.variable = variable
        self.shapes = shapes
        self.fresh = Fresh()
        # Of indices that no tensor may show: those of identities.
        self.lengths: dict[Index, Dimension] = {}
        self.rules = Differentials({variable: variable}, shapes)
        self.known: list[str] = []

    # ---- writing ----------------------------------------------------------------------------

    def written(self, node: Expression, indices: tuple[Index, ...]) -> IndexExpression:
        """Return an expression in indices, as far as it has signs for it."""
        return IndexExpression(tuple(self.write(node, indices)))

    def write(self, node: Expression, at: tuple[Index, ...]) -> Terms:
        """Return the terms of an entry, or of a scalar where there are no indices."""
        match node:
            case Sum(terms):
                return [each for term in terms for each in self.write(term, at)]
            case Negation(operand):
                return [number(-1).times(each) for each in self.write(operand, at)]
            case nodes.Product() | ElementwiseProduct() | Call("tr") | Call("sum"):
                return [self.product_of(self.parts(node, at))]
        return [self.product_of([(node, at)])]

    def product_of(self, parts: Sequence[tuple[Expression, tuple[Index, ...]]]) -> Product:
        """Return entries as one product."""
        product = Product()
        for node, at in parts:
            product = product.times(self.entry(node, at))
        return product

    def entry(self, node: Expression, at: tuple[Index, ...]) -> Product:
        """Return an entry as it is written; transposes change the order of indices."""
        match node:
            case Number(value):
                return Product(coefficient=exact(value))
            case Constant("I", (n,)):
                self.lengths |= dict.fromkeys(at, n)
                return Product(factors=(Delta((at[0], at[1])),))
            case Call("diag", (vector,)) if vector.kind is not Kind.MATRIX and len(at) == 2:
                column = Transpose(vector) if vector.kind is Kind.ROW else vector
                return self.entry(column, at[:1]).times(Product(factors=(Delta((at[0], at[1])),)))
        if node.is_scalar:
            return Product(scalars=(node,))
        if isinstance(node, Transpose):
            return self.entry(node.operand, tuple(reversed(at)))
        return Product(factors=(Tensor(node, at),))

    def parts(
        self, node: Expression, at: tuple[Index, ...]
    ) -> list[tuple[Expression, tuple[Index, ...]]]:
        """Return the entries whose product, summed over what repeats, an entry of a node is."""
        match node:
            case nodes.Product():
                return [part for run in node.runs for part in self.run(run, at)]
            case ElementwiseProduct(factors):
                return [p for f in factors for p in self.parts(f, () if f.is_scalar else at)]
            case Transpose(operand) if not isinstance(operand, Variable):
                return self.parts(operand, tuple(reversed(at)))
            case Call("tr", (operand,)) if not operand.is_scalar:
                i = self.fresh()
                return self.parts(operand, (i, i))
            case Call("sum", (operand,)) if not operand.is_scalar:
                return self.parts(operand, self.new_indices(operand))
            case Call("diag", (operand,)) if operand.kind is Kind.MATRIX:
                return self.parts(operand, (at[0], at[0]))
            case Power(Call("norm", (operand,)), exponent) if number_of(exponent) == 2:
                twice = self.new_indices(operand)
                return [*self.parts(operand, twice), *self.parts(operand, twice)]
        return [(node, at)]

    def run(
        self, run: Sequence[Expression], at: tuple[Index, ...]
    ) -> list[tuple[Expression, tuple[Index, ...]]]:
        """Return the entries of a product of matrices, the inner indices new."""
        if run[0].is_scalar:
            return self.parts(run[0], ())
        first, last = run[0].kind, run[-1].kind
        at = () if first is Kind.ROW and last is Kind.COLUMN else at
        left = [] if first is Kind.ROW else [at[0]]
        right = [] if last is Kind.COLUMN else [at[-1]]
        parts = []
        for k, factor in enumerate(run):
            inner = [] if k == len(run) - 1 or factor.kind is Kind.COLUMN else [self.fresh()]
            after = right if k == len(run) - 1 else inner
            parts += self.parts(factor, tuple(left + after))
            left = inner
        return parts

    def new_indices(self, node: Expression) -> tuple[Index, ...]:
        """Return new indices for all entries of a matrix, or of a vector."""
        return tuple(self.fresh() for _ in range(2 if node.kind is Kind.MATRIX else 1))

    # ---- differentiating --------------------------------------------------------------------

    def of(self, node: Expression, at: tuple[Index, ...]) -> Terms:
        """Return the derivative of an entry by X_st; of a scalar without indices."""
        if not self.rules.varies(node):
            return []
        if node == self.variable:
            return [Product(factors=(Slope(self.variable, at),))]
        match node:
            case Sum(terms):
                return [each for term in terms for each in self.of(term, at)]
            case Negation(operand):
                return [number(-1).times(each) for each in self.of(operand, at)]
            case Quotient(numerator, s):
                return list(self.quotient(numerator, s, at))
            case Transpose(operand):
                return self.of(operand, tuple(reversed(at)))
            case Power() | ElementwisePower():
                return self.power(node, at)
            case ElementwiseQuotient(numerator, divisor):
                return list(self.elementwise_quotient(numerator, divisor, at))
            case Call("tr", (Power() | Call("expm" | "sinm" | "cosm"),)) | Call("det", (Power(),)):
                assert isinstance(node, Call)
                return self.of_function(node)
            case nodes.Product() | ElementwiseProduct() | Call("tr" | "sum" | "diag"):
                return self.product_rule(node, at)
            case Call(function, arguments):
                return self.call(function, arguments, at)
        raise NotDifferentiableError(f"the index method has no rule for {node}")

    def product_rule(self, node: Expression, at: tuple[Index, ...]) -> Terms:
        """Differentiate one factor after the other."""
        parts = self.parts(node, at)
        if parts == [(node, at)]:
            return list(self.of_diagonal_matrix(node, at))
        terms: Terms = []
        for k, (factor, indices) in enumerate(parts):
            if not self.rules.varies(factor):
                continue
            before = self.product_of(parts[:k])
            after = self.product_of(parts[k + 1 :])
            terms += [before.times(d).times(after) for d in self.of(factor, indices)]
        return terms

    def of_function(self, node: Call) -> Terms:
        """Differentiate tr(F^k), tr(f(F)) or det(F^k): by a number k factor by factor."""
        (f,) = node.arguments
        if isinstance(f, Power) and number_of(f.exponent) is not None:
            if node.function == "det":
                return self.call(node.function, node.arguments, ())
            return self.product_rule(node, ())
        (base, *_) = f.children
        if self.rules.varies(base):
            self.say(f"known derivative of {node.function}({f})")
        dF = Variable("_dF", Kind.MATRIX)
        rules = Differentials({self.variable: self.variable}, self.shapes)
        _, differential = rules.apply_once(node)
        self.rules.conditions += rules.conditions
        linear = differential.substitute({nodes.Differential(base): dF})
        a, b = self.fresh(), self.fresh()
        (weight,) = weights(linear, dF, lambda part: (Dimension.symbol("n"),) * 2)
        outer = self.product_of(self.parts(weight, (a, b)))
        return [outer.times(slope) for slope in self.of(base, (a, b))]

    def of_diagonal_matrix(self, node: Expression, at: tuple[Index, ...]) -> Iterator[Product]:
        """diag(x)_ij = x_i delta_ij; of a scalar it is that."""
        (operand,) = node.children
        delta = Product(factors=(Delta((at[0], at[1])),)) if len(at) == 2 else Product()
        yield from (each.times(delta) for each in self.of(operand, at[: len(at) // 2]))

    def quotient(
        self, numerator: Expression, s: Expression, at: tuple[Index, ...]
    ) -> Iterator[Product]:
        """d(F/s) = dF/s - F ds/s^2."""
        yield from (each.times(Product(below=(s,))) for each in self.of(numerator, at))
        if self.rules.varies(s):
            self.rules.require_nonzero(s)
            above = self.product_of(self.parts(numerator, at))
            for each in self.of(s, ()):
                yield number(-1).times(above).times(each).times(Product(below=(s, s)))

    def elementwise_quotient(
        self, numerator: Expression, divisor: Expression, at: tuple[Index, ...]
    ) -> Iterator[Product]:
        """d(F ./ G) = dF ./ G - F .* dG ./ G.^2."""
        top = () if numerator.is_scalar else at
        self.rules.require_nonzero(divisor)
        if divisor.is_scalar:
            yield from self.quotient(numerator, divisor, at)
            return
        inverse = self.entry(ElementwiseQuotient(Number(1), divisor), at)
        yield from (each.times(inverse) for each in self.of(numerator, top))
        if self.rules.varies(divisor):
            above = self.product_of(self.parts(numerator, top))
            for each in self.of(divisor, at):
                yield number(-1).times(above).times(inverse).times(inverse).times(each)

    def power(self, node: Expression, at: tuple[Index, ...]) -> Terms:
        """Differentiate a power: by the chain rule, or of a matrix as the product X X X."""
        base, exponent = node.children
        k = number_of(exponent)
        if base.is_scalar or isinstance(node, ElementwisePower):
            if k == 2 and isinstance(base, Call) and base.function == "norm":
                return self.product_rule(node, at)
            return self.by_elements(node, at)
        if k is None:
            raise NotDifferentiableError(
                f"the index method has no rule for {node}, whose exponent is no number"
            )
        if k < 0:
            return self.of(Power.of(Call.of("inv", base), -k), at)
        factors = (base,) * int(k)
        return self.product_rule(nodes.Product(factors), at) if k > 1 else self.of(base, at)

    def by_elements(self, node: Expression, at: tuple[Index, ...]) -> Terms:
        """Use the chain rule for a function of a scalar, or of every element."""
        terms: Terms = []
        for place, child in enumerate(node.children):
            if self.rules.varies(child):
                slopes = self.of(child, () if child.is_scalar else at)
                outer = self.outer(node, place, at)
                terms += [factor.times(slope) for slope in slopes for factor in outer]
        return terms

    def outer(self, node: Expression, place: int, at: tuple[Index, ...]) -> Terms:
        """Return what multiplies the derivative of a child: the known derivative of the node."""
        child = node.children[place]
        x, dx = Variable("_x", child.kind), Variable("_dx", child.kind)
        rules = Differentials({x: dx}, self.shapes)
        children = [x if k == place else each for k, each in enumerate(node.children)]
        linear = rules.of(node.rebuild(children)).substitute({x: child})
        for condition in rules.conditions:
            self.rules.require(condition.subject.substitute({x: child}), condition.property)
        self.say(f"known derivative of {_function_name(node)}")
        return self.coefficients(linear, dx, at)

    def coefficients(self, linear: Expression, dx: Variable, at: tuple[Index, ...]) -> Terms:
        """Return what multiplies dx in an expression that is linear in it, element by element."""
        if linear == dx:
            return [Product()]
        match linear:
            case Sum(terms):
                return [each for term in terms for each in self.coefficients(term, dx, at)]
            case Negation(operand):
                return [number(-1).times(each) for each in self.coefficients(operand, dx, at)]
            case Quotient(numerator, s):
                below = Product(below=(s,))
                return [below.times(each) for each in self.coefficients(numerator, dx, at)]
            case ElementwiseQuotient(numerator, divisor):
                inverse = self.entry(ElementwiseQuotient(Number(1), divisor), at)
                return [inverse.times(each) for each in self.coefficients(numerator, dx, at)]
        factors = linear.children
        if isinstance(linear, nodes.Product):
            factors = tuple(nodes.Product.of(*run) for run in linear.runs)
        (place,) = (k for k, f in enumerate(factors) if dx in f.walk())
        others = Product()
        for k, factor in enumerate(factors):
            if k != place:
                indices = () if factor.is_scalar else at
                others = others.times(self.product_of(self.parts(factor, indices)))
        return [others.times(each) for each in self.coefficients(factors[place], dx, at)]

    def call(self, function: str, arguments: Sequence[Expression], at: tuple[Index, ...]) -> Terms:
        """Use the known derivative of a function."""
        (F, *_) = arguments
        if function in ELEMENTWISE:
            return self.by_elements(Call(function, (F,)), at)
        if function not in KNOWN or (function in ("inv", "adj") and F.is_scalar):
            raise NotDifferentiableError(
                f"the index method has no rule for {function}; method='differential' may have one"
            )
        self.say(KNOWN[function])
        inner = (self.fresh(), self.fresh()) if F.kind is Kind.MATRIX else self.new_indices(F)
        slopes = self.of(F, () if F.is_scalar else inner)
        outer = self.known_derivative(function, F, at, inner)
        return [each.times(slope) for slope in slopes for each in outer]

    def known_derivative(
        self, function: str, F: Expression, at: tuple[Index, ...], inner: tuple[Index, ...]
    ) -> Terms:
        """Return d f(F) / d F_ab as entries, a and b being the inner indices."""
        flipped = tuple(reversed(inner))
        match function:
            case "det":
                return [self.entry(Call.of("adj", F), flipped if not F.is_scalar else ())]
            case "logdet":
                self.rules.require(F, "invertible")
                return [self.entry(Call.of("inv", F), flipped if not F.is_scalar else ())]
            case "norm":
                norm = Call.of("norm", F)
                self.rules.require(norm, "nonzero")
                return [self.entry(F, inner).times(Product(below=(norm,)))]
            case "norm1":
                self.rules.require_nonzero(F)
                return [self.entry(Call.of("sign", F), inner)]
        self.rules.require(F, "invertible")
        inverse = Call.of("inv", F)
        left = self.entry(inverse, (at[0], inner[0]))
        if function == "inv":
            return [number(-1).times(left).times(self.entry(inverse, (inner[1], at[1])))]
        adjugate = Call.of("adj", F)
        first = self.entry(inverse, flipped).times(self.entry(adjugate, at))
        second = left.times(self.entry(adjugate, (inner[1], at[1])))
        return [first, number(-1).times(second)]

    def say(self, rule: str) -> None:
        """Note that a known derivative was used."""
        if rule not in self.known:
            self.known.append(rule)


KNOWN = {
    "det": "known derivative: d det(F)/dF_ab = adj(F)_ba",
    "logdet": "known derivative: d logdet(F)/dF_ab = inv(F)_ba",
    "inv": "known derivative: d inv(F)_ij/dF_ab = -inv(F)_ia inv(F)_bj",
    "adj": "known derivative: d adj(F)_ij/dF_ab = inv(F)_ba adj(F)_ij - inv(F)_ia adj(F)_bj",
    "norm": "known derivative: d norm(F)/dF_ab = F_ab/norm(F)",
    "norm1": "known derivative: d norm1(F)/dF_ab = sign(F)_ab",
}


def _function_name(node: Expression) -> str:
    return node.function if isinstance(node, Call) else "a power"
