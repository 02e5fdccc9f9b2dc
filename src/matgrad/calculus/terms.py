"""Terms: a coefficient, scalar factors with exponents, and a chain of matrices.

A sum of terms is the normal form in which expressions are compared and collected. A chain holds
factors of a matrix product, none of which is a product, a sum of one term or a multiple itself;
what is a number after all (a row times a column) is a scalar factor.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression

Coefficient: TypeAlias = Fraction | float
Exponent: TypeAlias = Fraction | float
Scalars: TypeAlias = tuple[tuple[Expression, Exponent], ...]
Chain: TypeAlias = tuple[Expression, ...]

ONE = Fraction(1)

# Floats with denominators up to this power of two are exact fractions; 0.1 is none.
SHORT = 1024


@dataclass(frozen=True, slots=True)
class Term:
    """A coefficient times powers of scalars times a product of matrices."""

    coefficient: Coefficient = ONE
    scalars: Scalars = ()
    chain: Chain = ()

    @property
    def key(self) -> tuple[frozenset[tuple[Expression, Exponent]], Chain]:
        """What terms have in common that differ in their coefficients only."""
        return frozenset(self.scalars), self.chain

    def times(self, factor: Coefficient) -> "Term":
        """Return a multiple."""
        return Term(computed(operator.mul, self.coefficient, factor), self.scalars, self.chain)

    def plus(self, coefficient: Coefficient) -> "Term":
        """Return the sum with a term that differs in its coefficient only."""
        return Term(computed(operator.add, self.coefficient, coefficient), self.scalars, self.chain)

    def with_scalars(self, others: Scalars) -> "Term":
        """Return the term with more scalar factors; equal ones are joined."""
        exponents = dict(self.scalars)
        for base, exponent in others:
            exponents[base] = exponents.get(base, Fraction(0)) + exponent
        scalars = tuple((b, e) for b, e in exponents.items() if e != 0)
        return Term(self.coefficient, scalars, self.chain)

    def power(self, exponent: int) -> "Term":
        """Return an integer power of a term without a chain."""
        scalars = tuple((base, each * exponent) for base, each in self.scalars)
        return Term(computed(operator.pow, self.coefficient, exponent), scalars if exponent else ())


def collected(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Return terms with equal ones added up, in the order of their first appearance."""
    sums: dict[object, Term] = {}
    for term in terms:
        known = sums.get(term.key)
        sums[term.key] = known.plus(term.coefficient) if known else term
    return tuple(term for term in sums.values() if term.coefficient != 0)


def exact(value: float) -> Coefficient:
    """Return a number as a fraction if it is a short one, so that halves and thirds stay exact."""
    fraction = Fraction(value)
    return fraction if isinstance(value, int) or fraction.denominator <= SHORT else value


def computed(
    operation: Callable[[Coefficient, Coefficient], Coefficient], a: Coefficient, b: Coefficient
) -> Coefficient:
    """Return what arithmetic gives: a fraction for fractions, or where no float is as large.

    Examples
    --------
    >>> from operator import mul
    >>> computed(mul, Fraction(1, 3), Fraction(3)), computed(mul, Fraction(1, 2), 0.1)
    (Fraction(1, 1), 0.05)
    """
    if not (isinstance(a, float) or isinstance(b, float)):
        return operation(a, b)
    exactly = operation(Fraction(a), Fraction(b))
    try:
        return float(exactly)
    except OverflowError:
        return exactly


def segments(factors: Sequence[Expression]) -> tuple[list[Chain], Chain]:
    """Return the parts of a product that are numbers, a row to a column, and the other factors.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> A, x, y = map(parse, ("A", "x", "y"))
    >>> segments([A, x, y.T, x])
    ([(parse("y'"), parse('x'))], (parse('A'), parse('x')))
    """
    numbers: list[Chain] = []
    rest: list[Expression] = []
    for factor in factors:
        rest.append(factor)
        if factor.kind is not Kind.COLUMN:
            continue
        start = next((k for k in reversed(range(len(rest))) if rest[k].kind is Kind.ROW), None)
        if start is not None:
            numbers.append(tuple(rest[start:]))
            del rest[start:]
    return numbers, tuple(rest)
