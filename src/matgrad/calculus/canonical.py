"""Canonical forms: from a differential to what is read off it (lecture-b, section 1).

A scalar that is linear in an increment dX is a sum of terms tr(G' dX); the gradient is the sum of
the G. Each is found by going down to dX with the weight G that a part of the expression has: where
the whole is <G, F>, the weights of the parts of F follow by the moves that a lecturer makes, since
a scalar is its own trace, a trace is that of the transpose, and factors go round in it.

====================  ======================================================
F                     weight of the part, from the weight G of F
====================  ======================================================
``A*M*B``             ``A'*G*B'``                           tr(G'AMB) = tr((A'GB')' M)
``M'``                ``G'``
``s*C``, s a scalar   ``<G, C>``
``A .* M``            ``A .* G``                            tr(G'(A .* M)) = tr((A .* G)' M)
``tr(M)``             ``G*I``
``sum(M)``            ``G*ones(m, n)``
``diag(M)``           ``diag(G)``
``vec(M)``            unvec(G)
``kron(A, M)``        the sum of a_ij times block (i, j) of G
====================  ======================================================
"""

from collections.abc import Callable, Sequence

from matgrad.calculus.derivation import NotDifferentiableError
from matgrad.expression.dimension import ONE, Dimension, Kind, Shape
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Product,
    Quotient,
    Sum,
    Transpose,
    Variable,
)

Shapes = Callable[[Expression], Shape]


def weights(
    linear: Expression, increment: Variable, shapes: Shapes, weight: Expression | None = None
) -> list[Expression]:
    """Return the G of all terms <G, dX> of which a linear function of dX is the sum.

    Parameters
    ----------
    linear : Expression
        Linear in the increment.
    increment : Variable
        dX.
    shapes : callable
        Returns rows and columns of a part.
    weight : Expression, optional
        What the inner product is taken with; 1 for a scalar.
    """
    return _Descent(increment, shapes).down(linear, Number(1) if weight is None else weight)


class _Descent:
    """Goes down to every increment with the weight of each part."""

    def __init__(self, increment: Variable, shapes: Shapes) -> None:
        self.increment = increment
        self.shapes = shapes
        self._linear: dict[Expression, bool] = {}

    def is_linear(self, node: Expression) -> bool:
        """Return whether a part holds the increment."""
        if node not in self._linear:
            self._linear[node] = node == self.increment or any(map(self.is_linear, node.children))
        return self._linear[node]

    def down(self, node: Expression, G: Expression) -> list[Expression]:
        """Return the weights of the increments in a part of the weight G."""
        if node == self.increment:
            return [G]
        match node:
            case Sum(terms):
                return [each for term in terms for each in self.down(term, G)]
            case Negation(operand):
                return self.down(operand, Negation(G))
            case Transpose(operand):
                return self.down(operand, Transpose(G))
            case Quotient(numerator, s):
                return self.down(numerator, Quotient(G, s))
            case Product():
                return self.product(node, G)
            case ElementwiseProduct(factors):
                return self.elementwise_product(factors, G)
            case ElementwiseQuotient(numerator, divisor):
                return self.elementwise_quotient(numerator, divisor, G)
            case Call(function, arguments):
                return FUNCTIONS[function](self, arguments, G)
        raise TypeError(f"{node} is not linear in {self.increment}")

    def the_linear_one(self, parts: Sequence[Expression]) -> int:
        """Return the place of the only part that holds the increment."""
        (place,) = (k for k, part in enumerate(parts) if self.is_linear(part))
        return place

    def product(self, node: Product, G: Expression) -> list[Expression]:
        """Return the weights in A*M*B; that of a scalar is the inner product of G with the rest."""
        runs = node.runs
        products = [Product.of(*run) for run in runs]
        place = self.the_linear_one(products)
        others = [each for k, each in enumerate(products) if k != place]
        if not products[place].is_scalar:
            return self.chain(runs[place], Product.of(*others, G) if others else G)
        scalars = [each for each in others if each.is_scalar]
        rest = [each for each in others if not each.is_scalar]
        weight = inner(G, Product.of(*rest)) if rest else G
        return self.chain(runs[place], Product.of(*scalars, weight) if scalars else weight)

    def chain(self, factors: Sequence[Expression], G: Expression) -> list[Expression]:
        """Return the weights in a product of matrices, or in a scalar alone."""
        place = self.the_linear_one(factors)
        left = _transposes(factors[:place])
        right = _transposes(factors[place + 1 :])
        parts = [G, *left, *right] if G.is_scalar else [*left, G, *right]
        return self.down(factors[place], Product.of(*parts) if len(parts) > 1 else G)

    def elementwise_product(self, factors: Sequence[Expression], G: Expression) -> list[Expression]:
        """Return A .* G for A .* M, and its sum for a scalar, which all elements share."""
        place = self.the_linear_one(factors)
        others = [*factors[:place], *factors[place + 1 :]]
        if factors[place].is_scalar and not G.is_scalar:
            rest = ElementwiseProduct.of(*others)
            weight = inner(G, rest) if not rest.is_scalar else Product.of(rest, Call.of("sum", G))
            return self.down(factors[place], weight)
        return self.down(factors[place], ElementwiseProduct.of(*others, G))

    def elementwise_quotient(
        self, numerator: Expression, divisor: Expression, G: Expression
    ) -> list[Expression]:
        """Return the weights in M ./ A."""
        weight: Expression = ElementwiseQuotient(G, divisor)
        if numerator.is_scalar and not weight.is_scalar:
            weight = Call.of("sum", weight)
        return self.down(numerator, weight)

    # ---- functions --------------------------------------------------------------------------

    def trace(self, arguments: Sequence[Expression], G: Expression) -> list[Expression]:
        """Return the weights in tr(M): for a product the factors after and before, gone round."""
        (M,) = arguments
        match M:
            case Sum(terms):
                return [each for term in terms for each in self.trace([term], G)]
            case Negation(operand):
                return self.trace([operand], Negation(G))
            case Transpose(operand):
                return self.trace([operand], G)
            case Quotient(numerator, s):
                return self.trace([numerator], Quotient(G, s))
            case Product() if len(M.runs) == 1:
                place = self.the_linear_one(M.operands)
                factors = M.operands[place + 1 :] + M.operands[:place]
                return self.down(M.operands[place], Product.of(G, *_transposes(factors)))
        return self.down(M, G if M.is_scalar else Product.of(G, _identity(self.shapes(M)[0])))

    def sum(self, arguments: Sequence[Expression], G: Expression) -> list[Expression]:
        """Return the weights in sum(M)."""
        (M,) = arguments
        if M.is_scalar:
            return self.down(M, G)
        rows, columns = self.shapes(M)
        ones: Expression = Constant("ones", (rows, columns) if columns != ONE else (rows,))
        if M.kind is Kind.ROW:
            ones = Transpose(Constant("ones", (columns,)))
        return self.down(M, Product.of(G, ones))

    def diag(self, arguments: Sequence[Expression], G: Expression) -> list[Expression]:
        """Return the weights in diag(M), a matrix for a vector or a vector for a matrix."""
        (M,) = arguments
        if M.is_scalar:
            return self.down(M, G)
        weight = Call.of("diag", G)
        return self.down(M, Transpose(weight) if M.kind is Kind.ROW else weight)

    def vec(self, arguments: Sequence[Expression], G: Expression) -> list[Expression]:
        """Return the weights in vec(M)."""
        (M,) = arguments
        match M.kind:
            case Kind.SCALAR | Kind.COLUMN:
                return self.down(M, G)
            case Kind.ROW:
                return self.down(M, Transpose(G))
        return self.down(M, unvec(G, *self.shapes(M)))

    def kron(self, arguments: Sequence[Expression], G: Expression) -> list[Expression]:
        """Return the weights in kron(A, M), and in kron(M, B)."""
        A, B = arguments
        if A.is_scalar or B.is_scalar:
            return self.down(Product.of(A, B), G)
        if self.is_linear(B):
            blocks = Product.of(Call.of("kron", Transpose(A), _identity(self.shapes(B)[0])), G)
            return self.down(B, partial_trace(blocks, self.shapes(A)[1], self.shapes(B)))
        n, p = self.shapes(A)[1], self.shapes(B)[0]
        # Entry (i, j) is <G_ij, B>, the trace of the block G_ij B'.
        blocks = Product.of(G, Call.of("kron", _identity(n), Transpose(B)))
        return self.down(A, inner_trace(blocks, self.shapes(A), p))

    def refuse_conj(self, arguments: Sequence[Expression], G: Expression) -> list[Expression]:
        """Refuse a conjugate, which has no complex derivative."""
        raise NotDifferentiableError(
            f"conj({arguments[0]}) has no complex derivative, only a differential"
        )


FUNCTIONS: dict[str, Callable[[_Descent, Sequence[Expression], Expression], list[Expression]]] = {
    "tr": _Descent.trace,
    "sum": _Descent.sum,
    "diag": _Descent.diag,
    "vec": _Descent.vec,
    "kron": _Descent.kron,
    "conj": _Descent.refuse_conj,
}


def inner(G: Expression, F: Expression) -> Expression:
    """Return the inner product of two expressions of one shape."""
    match F.kind:
        case Kind.SCALAR:
            return Product.of(G, F)
        case Kind.COLUMN:
            return Product.of(Transpose(G), F)
        case Kind.ROW:
            return Product.of(G, Transpose(F))
    return Call.of("tr", Product.of(Transpose(G), F))


def unvec(x: Expression, rows: Dimension, columns: Dimension) -> Expression:
    """Return the matrix whose columns are stacked in x: (vec(I)' (x) I)(I (x) x)."""
    match x:
        case Call("vec", (matrix,)):
            return matrix
    left = Call.of("kron", Transpose(Call.of("vec", _identity(columns))), _identity(rows))
    return Product.of(left, Call.of("kron", _identity(columns), x))


def partial_trace(M: Expression, blocks: Dimension, shape: Shape) -> Expression:
    """Return the sum of the diagonal blocks, (vec(I)' (x) I)(I (x) M)(vec(I) (x) I)."""
    rows, columns = shape
    vec = Call.of("vec", _identity(blocks))
    left = Call.of("kron", Transpose(vec), _identity(rows))
    right = Call.of("kron", vec, _identity(columns))
    return Product.of(left, Call.of("kron", _identity(blocks), M), right)


def inner_trace(M: Expression, shape: Shape, inside: Dimension) -> Expression:
    """Return the traces of the blocks of M: (I (x) vec(I)')(M (x) I)(I (x) vec(I))."""
    rows, columns = shape
    vec = Call.of("vec", _identity(inside))
    left = Call.of("kron", _identity(rows), Transpose(vec))
    right = Call.of("kron", _identity(columns), vec)
    return Product.of(left, Call.of("kron", M, _identity(inside)), right)


def _identity(size: Dimension) -> Expression:
    return Number(1) if size == ONE else Constant("I", (size,))


def _transposes(factors: Sequence[Expression]) -> list[Expression]:
    """Return the factors of the transposed product."""
    return [Transpose(factor) for factor in reversed(factors)]
