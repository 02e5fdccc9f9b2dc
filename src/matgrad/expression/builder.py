"""Writes programs: gives every value its register, and the same value the same one."""

import operator
from collections.abc import Callable, Mapping
from math import isfinite
from typing import NamedTuple, TypeAlias

from matgrad.expression.program import Attribute, Instruction, Program, Register, assemble

Value: TypeAlias = int | float

FOLDED: Mapping[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
}

NORMS = frozenset({"norm", "squared_norm", "norm1"})

# Up to this one, an elementwise power with an integer exponent is a few multiplications.
LARGEST_MULTIPLIED_POWER = 4


class Extent(NamedTuple):
    """The size of a register's matrices, and whether it has one for each point of a batch."""

    rows: int
    columns: int
    batched: bool = False


class Builder:
    """A program in the making.

    Parameters
    ----------
    inputs : sequence of Extent
        What the first registers hold.
    """

    def __init__(self, *inputs: Extent) -> None:
        self.extents: list[Extent] = list(inputs)
        self.inputs = len(inputs)
        self._known: dict[tuple[object, ...], Register] = {}
        self._numbers: dict[Register, Value] = {}
        self._made: dict[Register, Instruction] = {}
        self._sources: dict[Register, Register] = {}

    def program(self, *outputs: Register) -> Program:
        """Return the program that computes these registers."""
        return assemble(self.inputs, tuple(self._made.values()), outputs)

    def emit(
        self,
        operation: str,
        operands: tuple[Register, ...],
        rows: int,
        columns: int,
        *attributes: Attribute,
    ) -> Register:
        """Return the register of a result, the old one if it has been computed before."""
        known = self.known(operation, operands, *attributes)
        if known is not None:
            return known
        register = len(self.extents)
        batched = any(self.extents[operand].batched for operand in operands)
        self.extents.append(Extent(rows, columns, batched))
        self._made[register] = Instruction(operation, operands, (register,), attributes)
        self._known[operation, operands, attributes] = register
        return register

    def known(
        self, operation: str, operands: tuple[Register, ...], *attributes: Attribute
    ) -> Register | None:
        """Return the register that already holds a result, if one does."""
        return self._known.get((operation, operands, attributes))

    def number(self, value: Value) -> Register:
        """Return the register of a number."""
        register = self.emit("number", (), 1, 1, value)
        self._numbers[register] = value
        return register

    def value(self, register: Register) -> Value | None:
        """Return the number that a register holds, None where that is no constant."""
        return self._numbers.get(register)

    def transpose(self, register: Register) -> Register:
        """Return the transpose; that of a transpose is what it was made of."""
        rows, columns, _ = self.extents[register]
        if (rows, columns) == (1, 1):
            return register
        if register in self._sources:
            return self._sources[register]
        transposed = self.emit("transpose", (register,), columns, rows)
        self._sources[transposed] = register
        return transposed

    def elementwise(self, operation: str, a: Register, b: Register) -> Register:
        """Return add, subtract, multiply, divide or power of elements; numbers are folded."""
        x, y = self.value(a), self.value(b)
        if x is not None and y is not None:
            folded = _folded(operation, x, y)
            if folded is not None:
                return self.number(folded)
        if operation in ("multiply", "divide") and y == 1:
            return a
        if operation == "multiply" and x == 1:
            return b
        sides = zip(self.extents[a][:2], self.extents[b][:2], strict=True)
        rows, columns = (n if m == 1 else m for m, n in sides)  # 1 is repeated, also no times
        return self.emit(operation, (a, b), rows, columns)

    def multiply(self, a: Register, b: Register) -> Register:
        """Return the elementwise product."""
        return self.elementwise("multiply", a, b)

    def map(self, function: str, a: Register) -> Register:
        """Return an elementwise function."""
        rows, columns, _ = self.extents[a]
        return self.emit(function, (a,), rows, columns)

    def negative(self, a: Register) -> Register:
        """Return the negative."""
        value = self.value(a)
        if value is not None:
            return self.number(-value)
        made = self._made.get(a)
        if made is not None and made.operation == "multiply":
            coefficient, other = made.operands
            if self.value(coefficient) is not None:
                return self.multiply(self.negative(coefficient), other)
        return self.map("negative", a)

    def power(self, base: Register, exponent: Register) -> Register:
        """Return the elementwise power, by multiplications or a square root where these do."""
        k = self.value(exponent)
        if k == 0.5:
            return self.map("sqrt", base)
        if k is None or k != int(k) or not 0 < abs(k) <= LARGEST_MULTIPLIED_POWER:
            return self.elementwise("power", base, exponent)
        multiplied = repeated(self.multiply, base, abs(int(k)))
        return multiplied if k > 0 else self.elementwise("divide", self.number(1), multiplied)

    def product(self, a: Register, b: Register) -> Register:
        """Return the matrix product; (A B)' is the transpose of A B also when written B' A'."""
        known = self.known_product(a, b)
        if known is not None:
            return known
        if a in self._sources and b in self._sources:
            return self.transpose(self.product(self._sources[b], self._sources[a]))
        return self.emit("product", (a, b), self.extents[a].rows, self.extents[b].columns)

    def known_product(self, a: Register, b: Register) -> Register | None:
        """Return the register of a product that has been computed, or whose transpose has been."""
        known = self.known("product", (a, b))
        if known is not None:
            return known
        mirror = self.known("product", (self.mirror(b), self.mirror(a)))
        return None if mirror is None else self.transpose(mirror)

    def mirror(self, register: Register) -> Register:
        """Return the register of the transpose if there is one, else -1."""
        if self.extents[register][:2] == (1, 1):
            return register
        source = self._sources.get(register)
        known = self.known("transpose", (register,)) if source is None else source
        return -1 if known is None else known

    def scalar(self, operation: str, *operands: Register) -> Register:
        """Return an operation whose result is a scalar; a norm does not know a sign."""
        made = self._made.get(operands[0])
        if operation in NORMS and made is not None and made.operation == "negative":
            operands = made.operands
        return self.emit(operation, operands, 1, 1)

    def of_matrix(self, what: str, a: Register) -> Register:
        """Return det, logdet, inverse or adjugate; for A' they come from those for A."""
        if a in self._sources:
            return self.transpose(self.of_matrix(what, self._sources[a]))
        n = self.extents[a].rows if what in ("inverse", "adjugate") else 1
        return self.emit("factorise", (a,), n, n, what)

    def solve(self, a: Register, b: Register) -> Register:
        """Return inv(A) B."""
        return self.emit("solve", (a, b), *self.extents[b][:2])


def repeated(
    build: Callable[[Register, Register], Register], base: Register, exponent: int
) -> Register:
    """Return a power by repeated squaring: about log2(exponent) products."""
    if exponent == 1:
        return base
    half = repeated(build, base, exponent // 2)
    square = build(half, half)
    return build(square, base) if exponent % 2 else square


def _folded(operation: str, x: Value, y: Value) -> Value | None:
    """Return the value of an operation on numbers, None where it has no finite real one."""
    try:
        value = FOLDED[operation](float(x), float(y))
    except ArithmeticError:
        return None
    return value if isinstance(value, float) and isfinite(value) else None
