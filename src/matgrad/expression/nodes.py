"""The nodes of expressions.

=====================  ==============================================================
node                   in the grammar
=====================  ==============================================================
`Number`               ``2``, ``0.5``; never negative
`Variable`             ``X``, ``x``, ``alpha``
`Constant`             ``I``, ``ones(n)``, ``zeros``
`Sum`                  ``A + B - C``; a term that is taken away is a `Negation`
`Negation`             ``-A``
`Product`              ``2*A*x``, read from the left
`Quotient`             ``x/2``
`Power`                ``X^3``, ``alpha^0.5``
`Transpose`            ``A'``
`ElementwiseProduct`   ``A .* B``
`ElementwiseQuotient`  ``A ./ B``
`ElementwisePower`     ``A.^2``
`Call`                 ``tr(A)``, ``exp(x)``
`Differential`         written d(A*X); what a derivation has still to find, never parsed
=====================  ==============================================================

A node class takes what it is given; its method ``of``, where it has one, takes numbers too, joins
sums of sums and products of products, and refuses what no shape can make right. A node's `shape_of`
says what it demands of its children's shapes; inference makes them agree.

Rejected: dimensions inside the variables. An expression would not equal itself in another context,
and every rule would have to keep them up to date.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from numbers import Integral, Real
from sys import float_info

from matgrad.expression.dimension import ONE, Dimension, Kind, Shape
from matgrad.expression.expression import Expression, Operand
from matgrad.expression.functions import FUNCTIONS, Conditions

STRUCTURES = ("symmetric", "diagonal", "orthogonal", "positive_definite")


class Atom(Expression):
    """A node without children."""

    @property
    def children(self) -> tuple[Expression, ...]:
        """Nothing."""
        return ()

    def rebuild(self, children: Sequence[Expression]) -> Expression:
        """Return the node itself: it has no children to exchange."""
        return self


@dataclass(eq=False, repr=False)
class Number(Atom):
    """A finite number that is not negative: -2 is the negation of 2, as in the grammar."""

    value: int | float

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return 1 x 1."""
        return ONE, ONE


@dataclass(eq=False, repr=False)
class Variable(Atom):
    """A variable: its name, its kind, and what is known of a matrix (some of `STRUCTURES`)."""

    name: str
    declared: Kind
    structure: frozenset[str] = frozenset()

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return symbols of its own; a matrix with a structure is square."""
        rows = Dimension.symbol(f"{self.name}.rows")
        columns = rows if self.structure else Dimension.symbol(f"{self.name}.columns")
        return self.declared.shape(rows, columns)

    @property
    def is_symmetric(self) -> bool:
        """Whether it is known to equal its transpose."""
        return not self.structure.isdisjoint({"symmetric", "diagonal", "positive_definite"})

    @property
    def description(self) -> str:
        """What it is, in words."""
        words = [word.replace("_", " ") for word in STRUCTURES if word in self.structure]
        kind = "column vector" if self.declared is Kind.COLUMN else self.declared.value
        return f"a {' '.join([*words, kind])}"


@dataclass(eq=False, repr=False)
class Constant(Atom):
    """``I``, ``ones`` or ``zeros``; without dimensions a matrix of those that its place demands.

    One dimension makes ``I`` square and the others a column, two make a matrix.
    """

    name: str
    dimensions: tuple[Dimension, ...] = ()

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape, with symbols of its own where the place shall decide."""
        rows, columns = Dimension.symbol(f"{self.name}.rows"), ONE
        match self.dimensions:
            case ():
                columns = rows if self.name == "I" else Dimension.symbol(f"{self.name}.columns")
            case (rows,):
                columns = rows if self.name == "I" else ONE
            case (rows, columns):
                pass
        return rows, columns


@dataclass(eq=False, repr=False)
class Joined(Expression):
    """A node over any number of operands, with the operands of nodes of its class joined in."""

    operands: tuple[Expression, ...]

    @classmethod
    def of(cls, *operands: Operand) -> Expression:
        """Return the node, or its only child.

        Raises
        ------
        ValueError
            If there are no operands.
        """
        return cls._join(
            [one.children if isinstance(one, cls) else (one,) for one in map(lift, operands)]
        )

    @classmethod
    def _join(cls, parts: Sequence[tuple[Expression, ...]]) -> Expression:
        children = tuple(chain.from_iterable(parts))
        if not children:
            raise ValueError(f"{cls.__name__} needs an operand")
        return children[0] if len(children) == 1 else cls(children)

    @property
    def children(self) -> tuple[Expression, ...]:
        """The operands: terms or factors."""
        return self.operands

    def rebuild(self, children: Sequence[Expression]) -> Expression:
        """Return the same node above other children, joined as at first."""
        return self.of(*children)


class Sum(Joined):
    """Terms of the same shape."""

    demand = "terms need the same shape"

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape of every term."""
        return _common_shape(range(len(shapes)), shapes, conditions)


@dataclass(eq=False, repr=False)
class Negation(Expression):
    """The operand times -1."""

    operand: Expression

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape of the operand."""
        return shapes[0]


class Product(Joined):
    """Factors read from the left, each a matrix product or, where one is a scalar, a multiple."""

    demand = "a factor needs as many columns as the next one has rows"

    @classmethod
    def of(cls, *factors: Operand) -> Expression:
        """Return the product, with the factors of products joined in where that means the same.

        It does not for ``B*(x'*y)``, since ``B*x'`` is none.
        """
        parts: list[tuple[Expression, ...]] = []
        for factor in map(lift, factors):
            after_scalars = all(other.is_scalar for part in parts for other in part)
            joins = isinstance(factor, Product) and (after_scalars or not factor.contracts)
            parts.append(factor.children if joins else (factor,))
        return cls._join(parts)

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the rows of the first factor by the columns of the last, scalars left out."""
        shape, last = shapes[0], 0
        for child, other in enumerate(shapes[1:], start=1):
            if Kind.of(shape) is Kind.SCALAR:
                shape, last = other, child
            elif Kind.of(other) is not Kind.SCALAR:
                conditions.same((last, 1), (child, 0))
                shape, last = (shape[0], other[1]), child
        return shape

    @cached_property
    def runs(self) -> tuple[tuple[Expression, ...], ...]:
        """The factors in runs: a scalar is one, and a row times a column, a scalar too, ends one.

        In ``2*x'*A*x*B*C`` the runs are ``2``, ``x', A, x`` and ``B, C``.
        """
        runs: list[tuple[Expression, ...]] = []
        run: tuple[Expression, ...] = ()
        for factor in self.operands:
            if factor.is_scalar:
                runs.append((factor,))
                continue
            run = (*run, factor)
            if run[0].kind.times(factor.kind) is Kind.SCALAR:
                runs.append(run)
                run = ()
        return (*runs, run) if run else tuple(runs)

    @property
    def contracts(self) -> bool:
        """Whether a row meets a column in it, so that its factors cannot join just any product."""
        products = [run for run in self.runs if len(run) > 1]
        return any(run[0].kind.times(run[-1].kind) is Kind.SCALAR for run in products)


@dataclass(eq=False, repr=False)
class Quotient(Expression):
    """Anything over a scalar."""

    numerator: Expression
    denominator: Expression
    demand = "only a scalar divides by /, where inv(...) or ./ may be meant"

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape of the numerator."""
        conditions.scalar(1)
        return shapes[0]


@dataclass(eq=False, repr=False)
class Power(Expression):
    """A scalar to any power, a square matrix to an integer one."""

    base: Expression
    exponent: Expression
    demand = "a power needs a scalar or a square matrix, and a scalar exponent"

    @classmethod
    def of(cls, base: Operand, exponent: Operand) -> Expression:
        """Return the power; the power -1 of a matrix is its ``inv``.

        Raises
        ------
        ValueError
            If the base is a matrix and the exponent a number that is not an integer.
        """
        base, exponent = lift(base), lift(exponent)
        value = number_of(exponent)
        if base.is_scalar or value is None:
            return cls(base, exponent)
        if value != int(value):
            raise ValueError(f"the power of a matrix needs an integer exponent; got {exponent}")
        return Call("inv", (base,)) if value == -1 else cls(base, exponent)

    def rebuild(self, children: Sequence[Expression]) -> Expression:
        """Return another power."""
        return Power.of(*children)

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape of the base."""
        conditions.same((0, 0), (0, 1))
        conditions.scalar(1)
        return shapes[0]


@dataclass(eq=False, repr=False)
class Transpose(Expression):
    """The transpose, of complex numbers too; nothing is conjugated."""

    operand: Expression

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the columns by the rows."""
        rows, columns = shapes[0]
        return columns, rows


class Elementwise(Expression):
    """What the three elementwise nodes share: one shape for all, and scalars go with any."""

    demand = "an elementwise operation needs the same shape on both sides, or a scalar"

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape of the children that are not scalars."""
        spread = [child for child, shape in enumerate(shapes) if Kind.of(shape) is not Kind.SCALAR]
        return _common_shape(spread or [0], shapes, conditions)


class ElementwiseProduct(Joined, Elementwise):
    """The Hadamard product."""


@dataclass(eq=False, repr=False)
class ElementwiseQuotient(Elementwise):
    """The quotients of elements."""

    numerator: Expression
    denominator: Expression


@dataclass(eq=False, repr=False)
class ElementwisePower(Elementwise):
    """The powers of elements."""

    base: Expression
    exponent: Expression


@dataclass(eq=False, repr=False)
class Call(Expression):
    """A function of `FUNCTIONS`, applied."""

    function: str
    arguments: tuple[Expression, ...]

    @classmethod
    def of(cls, function: str, *arguments: Operand) -> Expression:
        """Return the call.

        Raises
        ------
        ValueError
            If there is no such function, or it takes another number of arguments.
        """
        if function not in FUNCTIONS:
            raise ValueError(f"there is no function {function}; there are {', '.join(FUNCTIONS)}")
        arity = FUNCTIONS[function].arity
        if len(arguments) != arity:
            plural = "argument" if arity == 1 else "arguments"
            raise ValueError(f"{function} takes {arity} {plural}; got {len(arguments)}")
        return cls(function, tuple(map(lift, arguments)))

    @property
    def demand(self) -> str:
        """What those functions demand that demand anything."""
        return f"{self.function} needs a square matrix"

    @property
    def children(self) -> tuple[Expression, ...]:
        """The arguments."""
        return self.arguments

    def rebuild(self, children: Sequence[Expression]) -> Expression:
        """Return the function of other arguments."""
        return Call(self.function, tuple(children))

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape that the function's record gives."""
        return FUNCTIONS[self.function].shape(shapes, conditions)


@dataclass(eq=False, repr=False)
class Differential(Expression):
    """The differential of an expression, which a derivation has still to find."""

    operand: Expression

    def shape_of(self, shapes: Sequence[Shape], conditions: Conditions) -> Shape:
        """Return the shape of the operand."""
        return shapes[0]


def lift(operand: Operand) -> Expression:
    """Return an operand of Python's operators as an expression.

    Raises
    ------
    TypeError
        If it is neither an expression nor a real number.
    ValueError
        If it is a number that is not finite.
    """
    if isinstance(operand, Expression):
        return operand
    if isinstance(operand, bool) or not isinstance(operand, Real):
        raise TypeError(f"an operand is an expression or a real number; got {operand!r}")
    value = int(operand) if isinstance(operand, Integral) else float(operand)
    if not abs(value) <= float_info.max:
        raise ValueError(f"a number in an expression is finite; got {operand!r}")
    return Negation(Number(-value)) if value < 0 else Number(value)


def number_of(expression: Expression) -> int | float | None:
    """Return the value of a number or the negation of one, None for anything else."""
    match expression:
        case Number(value):
            return value
        case Negation(Number(value)):
            return -value
    return None


def _common_shape(chosen: Sequence[int], shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    """Demand that the chosen children have the same shape, and return it."""
    first, *others = chosen
    for other in others:
        conditions.same((first, 0), (other, 0))
        conditions.same((first, 1), (other, 1))
    return shapes[first]
