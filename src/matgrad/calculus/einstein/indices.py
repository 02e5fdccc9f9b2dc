"""Index notation: sums of products of indexed factors (lecture-a, section 1).

An index that occurs twice in a product is summed, one that occurs once and is wanted is free.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from operator import mul
from typing import TypeAlias

from matgrad.calculus.terms import ONE, Coefficient, computed
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Call, Constant, Variable

Index: TypeAlias = str

# The indices of the entry by which the derivative is taken: d f / d X_st.
ENTRY: tuple[Index, Index] = ("s", "t")

LETTERS = "ijklmpqabcdefgh"


@dataclass(frozen=True, slots=True)
class Tensor:
    """An entry of a matrix or a vector."""

    tensor: Expression
    indices: tuple[Index, ...]

    def __str__(self) -> str:
        return f"{_name(self.tensor)}_{''.join(self.indices)}"

    def latex(self) -> str:
        """Return it in LaTeX."""
        name = self.tensor.latex()
        if not isinstance(self.tensor, Variable):
            name = rf"\left({name}\right)"
        return f"{name}_{{{''.join(self.indices)}}}"


@dataclass(frozen=True, slots=True)
class Delta:
    """The Kronecker delta."""

    indices: tuple[Index, ...]

    def __str__(self) -> str:
        return f"delta_{''.join(self.indices)}"

    def latex(self) -> str:
        """Return it in LaTeX."""
        return rf"\delta_{{{''.join(self.indices)}}}"


@dataclass(frozen=True, slots=True)
class Slope:
    """The derivative of an entry of the variable by another one: dX_ij/dX_st."""

    variable: Variable
    indices: tuple[Index, ...]

    @property
    def entry(self) -> tuple[Index, ...]:
        """The indices of the entry by which the derivative is taken."""
        return ENTRY[: len(self.indices)]

    def __str__(self) -> str:
        name = self.variable.name
        return f"d{name}_{''.join(self.indices)}/d{name}_{''.join(self.entry)}"

    def latex(self) -> str:
        """Return it in LaTeX."""
        name = self.variable.latex()
        above, below = "".join(self.indices), "".join(self.entry)
        return rf"\frac{{\partial {name}_{{{above}}}}}{{\partial {name}_{{{below}}}}}"

    def deltas(self) -> tuple[Delta, ...]:
        """Return what it is: dX_ij/dX_st = delta_is delta_jt."""
        return tuple(map(Delta, zip(self.indices, self.entry, strict=True)))


Factor: TypeAlias = Tensor | Delta | Slope


@dataclass(frozen=True, slots=True)
class Product:
    """A coefficient times scalars, some of them below the line, times indexed factors."""

    coefficient: Coefficient = ONE
    scalars: tuple[Expression, ...] = ()
    below: tuple[Expression, ...] = ()
    factors: tuple[Factor, ...] = ()

    def times(self, other: "Product") -> "Product":
        """Return the product."""
        return Product(
            computed(mul, self.coefficient, other.coefficient),
            self.scalars + other.scalars,
            self.below + other.below,
            self.factors + other.factors,
        )

    def renamed(self, old: Index, new: Index) -> "Product":
        """Return the product with one index instead of another."""
        factors = tuple(
            replace(f, indices=tuple(new if each == old else each for each in f.indices))
            for f in self.factors
        )
        return replace(self, factors=factors)

    def __str__(self) -> str:
        sign = "-" if self.coefficient < 0 else ""
        size = abs(self.coefficient)
        words = [] if size == 1 else [str(size)]
        words += [f"({each})" if " " in str(each) else str(each) for each in self.scalars]
        words += map(str, self.factors)
        text = sign + (" ".join(words) or "1")
        return f"{text}/({'*'.join(map(str, self.below))})" if self.below else text

    def latex(self) -> str:
        """Return it in LaTeX."""
        size = abs(self.coefficient)
        words = [] if size == 1 else [str(size)]
        words += [rf"\left({each.latex()}\right)" for each in self.scalars]
        words += [each.latex() for each in self.factors]
        text = r" \, ".join(words) or "1"
        if self.below:
            text = rf"\frac{{{text}}}{{{' '.join(each.latex() for each in self.below)}}}"
        return f"-{text}" if self.coefficient < 0 else text


@dataclass(frozen=True, slots=True)
class IndexExpression:
    """A sum of products."""

    terms: tuple[Product, ...]

    def __str__(self) -> str:
        return _joined([str(term) for term in self.terms])

    def latex(self) -> str:
        """Return it in LaTeX."""
        return _joined([term.latex() for term in self.terms])

    def with_deltas(self) -> "IndexExpression":
        """Return the expression with deltas for the derivatives of entries."""
        return IndexExpression(tuple(map(_with_deltas, self.terms)))

    def contracted(self, free: Sequence[Index]) -> "IndexExpression":
        """Return the expression without the deltas that rename a summed index."""
        return IndexExpression(tuple(_contracted(term, set(free)) for term in self.terms))


class Fresh:
    """Indices that have not been used yet."""

    def __init__(self) -> None:
        self._names = _names()

    def __call__(self) -> Index:
        """Return the next one."""
        return next(self._names)


def _names() -> Iterator[Index]:
    yield from LETTERS
    count = 1
    while True:
        yield from (f"{letter}{count}" for letter in LETTERS)
        count += 1


def _with_deltas(term: Product) -> Product:
    factors: list[Factor] = []
    for factor in term.factors:
        factors += factor.deltas() if isinstance(factor, Slope) else (factor,)
    return replace(term, factors=tuple(factors))


def _contracted(term: Product, free: set[Index]) -> Product:
    """Let each delta rename its summed index: delta_ij A_jk = A_ik; delta_ij alone is delta_jj."""
    place = next((k for k, f in enumerate(term.factors) if _renames(f, free)), None)
    while place is not None:
        i, j = term.factors[place].indices
        old, new = (j, i) if i in free else (i, j)
        rest = term.factors[:place] + term.factors[place + 1 :]
        if new not in free and not any({i, j} & {*factor.indices} for factor in rest):
            rest = (*rest, Delta((new, new)))
        term = replace(term, factors=rest).renamed(old, new)
        place = next((k for k, f in enumerate(term.factors) if _renames(f, free)), None)
    return term


def _renames(factor: Factor, free: set[Index]) -> bool:
    """Return whether a factor is a delta with a summed index, and not the trace of one."""
    if not isinstance(factor, Delta):
        return False
    i, j = factor.indices
    return i != j and not {i, j} <= free


def _name(tensor: Expression) -> str:
    simple = isinstance(tensor, Variable | Constant | Call)
    return str(tensor) if simple else f"({tensor})"


def _joined(words: Iterable[str]) -> str:
    first, *others = words or ["0"]
    text = first
    for word in others:
        text += f" - {word[1:]}" if word.startswith("-") else f" + {word}"
    return text


def number(value: float) -> Product:
    """Return a number as a product."""
    return Product(coefficient=Fraction(value))
