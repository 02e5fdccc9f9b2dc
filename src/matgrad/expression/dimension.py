"""Symbolic dimensions, the shapes made of them, and the four kinds of expressions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import TypeAlias

# A dimension as the user sees it: a number where it is known, else a name such as "n" or "m*n".
Size: TypeAlias = int | str


@dataclass(frozen=True)
class Dimension:
    """A number of rows or columns: a coefficient times symbols, as ``kron`` and ``vec`` multiply.

    Examples
    --------
    >>> str(Dimension.symbol("m") * Dimension.symbol("n"))
    'm*n'
    """

    coefficient: int
    symbols: tuple[str, ...] = ()

    @classmethod
    def symbol(cls, name: str) -> "Dimension":
        """Return the dimension that is one symbol."""
        return cls(1, (name,))

    @property
    def size(self) -> Size:
        """The dimension as an int where it is one, else as text."""
        return str(self) if self.symbols else self.coefficient

    def value(self, sizes: Mapping[str, int]) -> int:
        """Return the number that it is when every symbol has its size."""
        return self.coefficient * prod(sizes[symbol] for symbol in self.symbols)

    def replace(self, meanings: "Mapping[str, Dimension]") -> "Dimension":
        """Return the dimension with symbols replaced by what they mean."""
        factors = [meanings.get(symbol) or Dimension.symbol(symbol) for symbol in self.symbols]
        return product_of([Dimension(self.coefficient), *factors])

    def __mul__(self, other: "Dimension") -> "Dimension":
        return product_of((self, other))

    def __str__(self) -> str:
        coefficient = () if self.coefficient == 1 and self.symbols else (str(self.coefficient),)
        return "*".join((*coefficient, *self.symbols))


def product_of(dimensions: Iterable[Dimension]) -> Dimension:
    """Return the product of dimensions; it does not depend on their order."""
    coefficient, symbols = 1, list[str]()
    for dimension in dimensions:
        coefficient *= dimension.coefficient
        symbols += dimension.symbols
    return Dimension(coefficient, tuple(sorted(symbols)))


ONE = Dimension(1)

# Rows and columns: every expression has both, a column vector is n x 1 and a scalar 1 x 1.
Shape: TypeAlias = tuple[Dimension, Dimension]


class Kind(Enum):
    """What an expression is, whatever the sizes: known from the names of its variables alone."""

    SCALAR = "scalar"
    COLUMN = "column"
    ROW = "row"
    MATRIX = "matrix"

    @classmethod
    def of(cls, shape: Shape) -> "Kind":
        """Return the kind of a shape: only the literal 1 makes a vector, a symbol never does."""
        rows, columns = shape
        if columns == ONE:
            return cls.SCALAR if rows == ONE else cls.COLUMN
        return cls.ROW if rows == ONE else cls.MATRIX

    def shape(self, rows: Dimension, columns: Dimension) -> Shape:
        """Return the shape of this kind that has the given dimensions where it is not 1."""
        return (
            ONE if self in (Kind.SCALAR, Kind.ROW) else rows,
            ONE if self in (Kind.SCALAR, Kind.COLUMN) else columns,
        )

    def times(self, other: "Kind") -> "Kind":
        """Return the kind of the matrix product of two expressions that are not scalars."""
        some = Dimension.symbol("?")
        return Kind.of((self.shape(some, some)[0], other.shape(some, some)[1]))

    def visible(self, shape: Shape) -> tuple[Dimension, ...]:
        """Return the dimensions that a result shows: none for a scalar, one for a column."""
        return {Kind.SCALAR: (), Kind.COLUMN: shape[:1]}.get(self, shape)
