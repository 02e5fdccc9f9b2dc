"""From expressions to a program for given sizes."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce

from matgrad.expression.builder import Builder, Extent, repeated
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.factorisation import share_factorisations
from matgrad.expression.linear import Linear
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
from matgrad.expression.pairing import pair_softplus
from matgrad.expression.program import Program, Register
from matgrad.expression.quadratics import take_quadratic_traces
from matgrad.expression.signs import absorb_signs

OF_MATRIX = {"det": "det", "logdet": "logdet", "inv": "inverse", "adj": "adjugate"}


@lru_cache(maxsize=1024)
def lower(
    expressions: tuple[Expression, ...],
    variables: tuple[tuple[str, Extent], ...],
    sizes: tuple[tuple[str, int], ...],
) -> Program:
    """Return the program that computes expressions.

    Parameters
    ----------
    expressions : tuple of Expression
        The expressions, with constants that have their dimensions.
    variables : tuple of (name, Extent)
        The inputs of the program, in their order.
    sizes : tuple of (symbol, size)
        The sizes of dimensions.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> square = Extent(4, 4)
    >>> print(lower((parse("tr(A*B) + det(A)"),), (("A", square), ("B", square)), ()))
    r2 = trace_product r0 r1
    r3 = factorise det r0
    r4 = add r2 r3
    return r4
    """
    builder = Builder(*(extent for _, extent in variables))
    registers = {name: register for register, (name, _) in enumerate(variables)}
    lowering = _Lowering(builder, registers, dict(sizes))
    # Scalars last: what a gradient computes makes its value cheap, and not the other way round.
    for expression in sorted(expressions, key=lambda each: each.is_scalar):
        lowering.value(expression)
    program = builder.program(*(lowering.value(expression) for expression in expressions))
    program = pair_softplus(absorb_signs(share_factorisations(program)))
    return take_quadratic_traces(program, [extent for _, extent in variables])


class _Lowering:
    """Asks the builder for what the nodes mean, every node once."""

    def __init__(
        self, builder: Builder, registers: Mapping[str, Register], sizes: Mapping[str, int]
    ) -> None:
        self.builder = builder
        self.registers = registers
        self.sizes = sizes
        self.values: dict[Expression, Register] = {}
        self.linear = Linear(builder, self.value, self.values.__contains__)

    def value(self, node: Expression) -> Register:
        """Return the register of an expression's value."""
        if node not in self.values:
            self.values[node] = self.compute(node)
        return self.values[node]

    def compute(self, node: Expression) -> Register:
        """Return the register of a value that is not yet there."""
        b, linear = self.builder, self.linear
        match node:
            case Variable(name):
                return self.registers[name]
            case Number(value):
                return b.number(value)
            case Constant(name, dimensions):
                return self.constant(name, [each.value(self.sizes) for each in dimensions])
            case Sum(terms):
                return linear.plain(linear.total(map(linear.product, terms)))
            case Negation() | Product() | Quotient() | Transpose():
                return linear.plain(linear.product(node))
            case ElementwiseProduct(factors):
                return reduce(b.multiply, map(self.value, factors))
            case ElementwiseQuotient(numerator, denominator):
                return b.elementwise("divide", self.value(numerator), self.value(denominator))
            case ElementwisePower(base, exponent):
                return b.power(self.value(base), self.value(exponent))
            case Power(base, exponent):
                return self.power(base, exponent)
            case Call("tr", (argument,)):
                return linear.plain(linear.trace(argument))
            case Call("sum", (argument,)):
                return linear.plain(linear.sum(argument))
            case Call(function, arguments):
                return self.call(function, *arguments)
        raise TypeError(f"there is no program for {type(node).__name__}")

    def constant(self, name: str, sizes: Sequence[int]) -> Register:
        """Return a constant matrix."""
        if name == "I":
            n = sizes[0]
            return self.builder.emit("identity", (), n, n, n)
        rows, columns = (*sizes, 1)[:2]
        return self.builder.emit("fill", (), rows, columns, int(name == "ones"), rows, columns)

    def power(self, base: Expression, exponent: Expression) -> Register:
        """Return a scalar's power, or a matrix's by repeated squaring."""
        b, k = self.builder, number_of(exponent)
        match base:
            case Call("norm", (argument,)) if k == 2:
                return b.scalar("squared_norm", self.value(argument))
        if base.is_scalar:
            return b.power(self.value(base), self.value(exponent))
        A = self.value(base)
        n = b.extents[A].rows
        if k is None or k == 0:  # the identity for each point of a batch
            return b.emit("matrix_power", (A, self.value(exponent)), n, n)
        return repeated(b.product, A if k > 0 else b.of_matrix("inverse", A), abs(int(k)))

    def call(self, function: str, *arguments: Expression) -> Register:
        """Return the value of a function that is not linear, or rearranges elements."""
        b = self.builder
        a, *others = map(self.value, arguments)
        rows, columns, _ = b.extents[a]
        match function:
            case "det" | "logdet" | "inv" | "adj":
                return b.of_matrix(OF_MATRIX[function], a)
            case "expm" | "sinm" | "cosm":
                return b.emit(function, (a,), rows, columns)
            case "norm" | "norm1":
                return b.scalar(function, a)
            case "kron":
                p, q, _ = b.extents[others[0]]
                return b.emit("kron", (a, *others), rows * p, columns * q)
            case "diag" | "vec":
                return self.rearranged(function, arguments[0].kind, a)
        return b.map(function, a)

    def rearranged(self, function: str, kind: Kind, a: Register) -> Register:
        """Return diag or vec, which may be no work at all."""
        b = self.builder
        rows, columns, _ = b.extents[a]
        match function, kind:
            case _, Kind.SCALAR:
                return a
            case "diag", Kind.MATRIX:
                return b.emit("diagonal", (a,), rows, 1)
            case "vec", Kind.MATRIX:
                return b.emit("vec", (a,), rows * columns, 1)
        column = b.transpose(a) if kind is Kind.ROW else a
        n = rows * columns
        return column if function == "vec" else b.emit("diagonal_matrix", (column,), n, n)
