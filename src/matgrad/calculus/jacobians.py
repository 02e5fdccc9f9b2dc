"""Jacobians read off differentials: J of df = J dx, and of d vec F = J d vec X.

Columns are stacked (Magnus and Neudecker, Matrix Differential Calculus, 3rd ed., ch. 9): a product
gives vec(A M B) = (B' (x) A) vec(M), a transpose the commutation matrix, which stands in the result
as a variable ``K`` (`commutations`). For vectors the Kronecker products fall away.
"""

from collections.abc import Callable, Sequence

from matgrad.calculus.canonical import Shapes, weights
from matgrad.calculus.derivation import NotDifferentiableError
from matgrad.expression.dimension import Dimension, Kind
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


class Jacobians:
    """The matrices of linear functions of an increment.

    Parameters
    ----------
    increment : Variable
        dX.
    shapes : callable
        Returns rows and columns of a part.
    fresh : callable
        Returns a name like a given one that no variable has.
    """

    def __init__(self, increment: Variable, shapes: Shapes, fresh: Callable[[str], str]) -> None:
        self.increment = increment
        self.shapes = shapes
        self.fresh = fresh
        self.commutations: dict[Variable, tuple[Dimension, Dimension]] = {}

    def of(self, node: Expression) -> Expression:
        """Return J for which vec(node) = J vec(dX)."""
        if node == self.increment:
            rows, columns = self.shapes(node)
            return Constant("I", (rows * columns,))
        if node.is_scalar:
            return self.row(node)
        match node:
            case Sum(terms):
                return Sum.of(*map(self.of, terms))
            case Negation(operand):
                return Negation(self.of(operand))
            case Quotient(numerator, s):
                return Quotient(self.of(numerator), s)
            case Transpose(Transpose(operand)):
                return self.of(operand)
            case Transpose(operand):
                return self.transpose(operand)
            case Product():
                return self.product(node)
            case ElementwiseProduct(factors):
                return self.elementwise_product(factors)
            case ElementwiseQuotient(numerator, divisor):
                return self.scaled(ElementwiseQuotient(Number(1), divisor), numerator)
            case Call(function, arguments):
                return self.call(function, arguments)
        raise TypeError(f"{node} is not linear in {self.increment}")

    def is_linear(self, node: Expression) -> bool:
        """Return whether a part holds the increment."""
        return any(each == self.increment for each in node.walk())

    def row(self, node: Expression) -> Expression:
        """Return the row of a scalar: the transposed gradient, stacked."""
        gradient = Sum.of(*weights(node, self.increment, self.shapes))
        column = gradient if self.increment.kind is not Kind.MATRIX else Call.of("vec", gradient)
        return column if self.increment.is_scalar else Transpose(column)

    def transpose(self, operand: Expression) -> Expression:
        """Return J of M': vec(M') = K vec(M); a vector is the same column either way."""
        if operand.kind is not Kind.MATRIX:
            return self.of(operand)
        return Product.of(self.commutation(*self.shapes(operand)), self.of(operand))

    def commutation(self, rows: Dimension, columns: Dimension) -> Variable:
        """Return the variable that stands for a commutation matrix."""
        for known, shape in self.commutations.items():
            if shape == (rows, columns):
                return known
        count = len(self.commutations)
        variable = Variable(self.fresh(f"K{count + 1}" if count else "K"), Kind.MATRIX)
        self.commutations[variable] = rows, columns
        return variable

    # ---- products ---------------------------------------------------------------------------

    def product(self, node: Product) -> Expression:
        """Return J of a product with one linear factor."""
        runs = node.runs
        products = [Product.of(*run) for run in runs]
        (place,) = (k for k, each in enumerate(products) if self.is_linear(each))
        others = [each for k, each in enumerate(products) if k != place]
        if not products[place].is_scalar:
            return Product.of(*others, self.chain(runs[place]))
        scalars = [each for each in others if each.is_scalar]
        rest = Product.of(*(each for each in others if not each.is_scalar))
        return Product.of(*scalars, _column(rest), self.row(products[place]))

    def chain(self, factors: Sequence[Expression]) -> Expression:
        """Return J of a product of matrices, L M R: (R' (x) L) vec(M)."""
        (place,) = (k for k, factor in enumerate(factors) if self.is_linear(factor))
        left, M, right = factors[:place], factors[place], factors[place + 1 :]
        if M.kind is Kind.ROW:
            turned = Transpose(Product.of(*right)) if right else None
            return self.outer(left, turned, Transpose(M))
        match M:
            case Call("diag", (u,)) if (
                u.kind is not Kind.MATRIX
                and len(right)
                and (Product.of(*right).kind is Kind.COLUMN)
            ):
                return Product.of(*left, Call.of("diag", Product.of(*right)), self.of(u))
            case Transpose(Call("diag", (u,))) if u.kind is not Kind.MATRIX:
                return self.chain([*left, Call.of("diag", u), *right])
        return self.around(left, M, right)

    def outer(
        self, left: Sequence[Expression], turned: Expression | None, M: Expression
    ) -> Expression:
        """Return J of l m' R for a column m: (R' (x) l) m."""
        if not left:
            return Product.of(turned, self.of(M)) if turned else self.of(M)
        R = turned or _identity_like(self, M)
        return Product.of(Call.of("kron", R, Product.of(*left)), self.of(M))

    def around(
        self, left: Sequence[Expression], M: Expression, right: Sequence[Expression]
    ) -> Expression:
        """Return J of L M R."""
        inner = self.of(M)
        if M.kind is Kind.COLUMN and not right:
            return Product.of(*left, inner)
        rows, columns = self.shapes(M)
        L = Product.of(*left) if left else _identity(rows)
        R = Transpose(Product.of(*right)) if right else _identity(columns)
        return Product.of(Call.of("kron", R, L), inner)

    # ---- elements ---------------------------------------------------------------------------

    def elementwise_product(self, factors: Sequence[Expression]) -> Expression:
        """Return J of A .* M: diag(vec(A)) vec(M)."""
        (place,) = (k for k, factor in enumerate(factors) if self.is_linear(factor))
        others = [*factors[:place], *factors[place + 1 :]]
        A, M = ElementwiseProduct.of(*others), factors[place]
        if M.is_scalar:
            return Product.of(_column(A), self.row(M))
        return Product.of(A, self.of(M)) if A.is_scalar else self.scaled(A, M)

    def scaled(self, A: Expression, M: Expression) -> Expression:
        """Return J of elements multiplied by those of A."""
        if M.is_scalar:
            return Product.of(_column(A), self.row(M))
        return Product.of(A if A.is_scalar else Call.of("diag", _column(A)), self.of(M))

    def call(self, function: str, arguments: Sequence[Expression]) -> Expression:
        """Return J of a linear function."""
        (M, *others) = arguments
        match function:
            case "vec":
                return self.of(M)
            case "diag" if M.kind is Kind.MATRIX:
                return self.diagonal(M)
            case "diag":
                (n, _) = self.shapes(Call.of("diag", M))
                spread = Call.of("kron", Constant("ones", (n,)), _identity(n))
                return Product.of(Call.of("diag", Call.of("vec", _identity(n))), spread, self.of(M))
            case "kron":
                return self.kronecker(M, *others)
        raise NotDifferentiableError(f"{function}({M}) has no Jacobian in the language")

    def diagonal(self, M: Expression) -> Expression:
        """Return J of the diagonal of a matrix, which for a product needs no matrix of its size."""
        match M:
            case Sum(terms):
                return Sum.of(*map(self.diagonal, terms))
            case Negation(operand):
                return Negation(self.diagonal(operand))
            case Transpose(operand):
                return self.diagonal(operand)
            case Product() if len(M.runs) == 1 and len(M.operands) > 1:
                simple = self.diagonal_of_product(M.operands)
                if simple is not None:
                    return simple
        n, _ = self.shapes(M)
        pick = Call.of("kron", Transpose(Constant("ones", (n,))), _identity(n))
        return Product.of(pick, Call.of("diag", Call.of("vec", _identity(n))), self.of(M))

    def diagonal_of_product(self, factors: Sequence[Expression]) -> Expression | None:
        """Return J by diag(u v') = u .* v, and diag(A diag(u) B) = (A .* B') u."""
        (place,) = (k for k, factor in enumerate(factors) if self.is_linear(factor))
        left, M, right = factors[:place], factors[place], factors[place + 1 :]
        if M.kind is Kind.COLUMN and right:
            u, v = Product.of(*left, M), Transpose(Product.of(*right))
            return Product.of(Call.of("diag", v), self.of(u))
        if M.kind is Kind.ROW and left:
            u, v = Product.of(*left), Transpose(Product.of(M, *right))
            return Product.of(Call.of("diag", u), self.of(self.untransposed(v)))
        match M:
            case Call("diag", (u,)) if u.kind is not Kind.MATRIX and left and right:
                A, B = Product.of(*left), Transpose(Product.of(*right))
                return Product.of(ElementwiseProduct.of(A, B), self.of(u))
        return None

    @staticmethod
    def untransposed(node: Expression) -> Expression:
        """Return a transposed product with the transposes at its factors."""
        match node:
            case Transpose(Product(factors)):
                return Product.of(*map(Transpose, reversed(factors)))
        return node

    def kronecker(self, A: Expression, B: Expression) -> Expression:
        """Return J of the Kronecker product of vectors."""
        if A.is_scalar or B.is_scalar:
            return self.of(Product.of(A, B))
        if Kind.MATRIX in (A.kind, B.kind):
            raise NotDifferentiableError(
                f"kron({A}, {B}) has no Jacobian in the language, only a differential"
            )
        if A.kind is Kind.COLUMN and B.kind is Kind.ROW:
            A, B = B, A  # A B either way, and vec(B A) is B (x) A' stacked
        if self.is_linear(B):
            return Product.of(Call.of("kron", _column(A), _identity_like(self, B)), self.of(B))
        return Product.of(Call.of("kron", _identity_like(self, A), _column(B)), self.of(A))


def _column(node: Expression) -> Expression:
    """Return an expression with its columns stacked."""
    if node.kind is Kind.ROW:
        return Transpose(node)
    return Call.of("vec", node) if node.kind is Kind.MATRIX else node


def _identity(size: Dimension) -> Expression:
    return Constant("I", (size,))


def _identity_like(jacobians: Jacobians, vector: Expression) -> Expression:
    rows, columns = jacobians.shapes(vector)
    return _identity(rows * columns)
