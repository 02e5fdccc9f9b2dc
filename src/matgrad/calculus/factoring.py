"""From terms back to an expression, with common factors taken out where that makes it shorter."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, reduce
from math import gcd, lcm
from operator import attrgetter
from sys import float_info
from typing import TypeAlias

from matgrad.calculus.terms import ONE, Chain, Coefficient, Exponent, Term
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    lift,
)

Join: TypeAlias = Callable[[Expression, Sequence[Term]], Term]

# Of more terms only those that have most in common are joined: all ways would take for ever.
FEW = 6

# Whole numbers up to this one are written as such, longer ones as floats.
LONGEST = 2**53


def expression_of(terms: Sequence[Term], *, scalar: bool) -> Expression:
    """Return the shortest expression of a sum of terms that is found by taking out factors.

    Without terms it is the number 0.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> A, B, X = map(parse, "ABX")
    >>> print(expression_of([Term(chain=(A, X)), Term(chain=(B, X))], scalar=False))
    (A + B)*X
    """
    if not terms:
        return Number(0)
    if len(terms) == 1:
        return _written(terms[0])
    common = _content(terms)
    inner = [_without(term, common) for term in terms]
    total = _sum(inner, scalar)
    if common == Term():
        return total
    return _written(replace(common, chain=(total,)) if not scalar else _plus_factor(common, total))


def _plus_factor(common: Term, total: Expression) -> Term:
    return common.with_scalars(((total, ONE),))


# ---- what all terms share ---------------------------------------------------------------------


def _content(terms: Sequence[Term]) -> Term:
    """Return the coefficient and the scalar factors that all terms have in common."""
    shared = dict(terms[0].scalars)
    for term in terms[1:]:
        exponents = dict(term.scalars)
        shared = {
            base: _nearer(exponent, exponents[base])
            for base, exponent in shared.items()
            if base in exponents and exponent * exponents[base] > 0
        }
    return Term(_common_coefficient([term.coefficient for term in terms]), tuple(shared.items()))


def _nearer(a: Exponent, b: Exponent) -> Exponent:
    """Return the exponent nearer to zero, of two with the same sign."""
    return a if (a < b) == (a > 0) else b


def _common_coefficient(coefficients: Sequence[Coefficient]) -> Coefficient:
    """Return the greatest common divisor of fractions, negative if all of them are."""
    if not all(isinstance(each, Fraction) for each in coefficients):
        return ONE
    fractions = [Fraction(each) for each in coefficients]
    above = reduce(gcd, (abs(each.numerator) for each in fractions))
    below = reduce(lcm, (each.denominator for each in fractions))
    sign = -1 if all(each < 0 for each in fractions) else 1
    return Fraction(sign * above, below)


def _without(term: Term, common: Term) -> Term:
    inverse = tuple((base, -exponent) for base, exponent in common.scalars)
    return term.times(1 / common.coefficient).with_scalars(inverse)


# ---- what some terms share --------------------------------------------------------------------


def _sum(terms: Sequence[Term], scalar: bool) -> Expression:
    """Return a sum, some terms joined as (A + B) X or X (A + B) where that is shorter."""
    return _plain_sum(terms) if scalar else _shortest(tuple(terms))


@lru_cache(maxsize=4096)
def _shortest(terms: tuple[Term, ...]) -> Expression:
    """Return the shortest way to join terms, of all there are while they are few.

    The same terms remain after joins in any order: they are joined once.
    """
    groups = list(_groups(terms))
    if len(terms) > FEW:
        groups = sorted(groups, key=lambda group: len(group[1]), reverse=True)[:1]
    joined = [_with_group(terms, group, join(factor, group)) for factor, group, join in groups]
    return min([_plain_sum(terms), *joined], key=attrgetter("node_count"))


def _groups(terms: Sequence[Term]) -> Iterable[tuple[Expression, list[Term], Join]]:
    """Yield several terms that begin or that end with the same factor, and what joins them."""
    for side, join in ((_first, _joined_left), (_last, _joined_right)):
        groups: dict[Expression, list[Term]] = {}
        for term in terms:
            if len(term.chain) > 1:
                groups.setdefault(side(term.chain), []).append(term)
        yield from ((factor, group, join) for factor, group in groups.items() if len(group) > 1)


def _with_group(terms: Sequence[Term], group: Sequence[Term], joined: Term) -> Expression:
    place = terms.index(group[0])
    others = [term for term in terms if term not in group]
    before = sum(term not in group for term in terms[:place])
    rest = [*others[:before], joined, *others[before:]]
    return _sum(rest, scalar=False) if len(rest) > 1 else _written(rest[0])


def _first(chain: Chain) -> Expression:
    return chain[0]


def _last(chain: Chain) -> Expression:
    return chain[-1]


def _joined_left(factor: Expression, group: Sequence[Term]) -> Term:
    inner = [replace(term, chain=term.chain[1:]) for term in group]
    return _multiple(inner, lambda total: (factor, *total))


def _joined_right(factor: Expression, group: Sequence[Term]) -> Term:
    inner = [replace(term, chain=term.chain[:-1]) for term in group]
    return _multiple(inner, lambda total: (*total, factor))


def _multiple(inner: Sequence[Term], chain: Callable[[Chain], Chain]) -> Term:
    """Return the coefficient of a sum of terms times a chain around the rest."""
    common = _content(inner)
    total = _sum([_without(term, common) for term in inner], scalar=False)
    factors = total.operands if isinstance(total, Product) else (total,)
    return replace(common, chain=chain(factors))


# ---- one term ---------------------------------------------------------------------------------


def _plain_sum(terms: Sequence[Term]) -> Expression:
    """Return a sum; one that begins with a minus begins with its first other term, if any."""
    first = next((k for k, term in enumerate(terms) if term.coefficient > 0), 0)
    ordered = [terms[first], *terms[:first], *terms[first + 1 :]]
    return Sum.of(*map(_written, ordered))


def _written(term: Term) -> Expression:
    """Return a term as an expression: numbers, then scalars, then matrices, over a denominator."""
    above, below = _number_over(term.coefficient)
    above += [_power(base, e) for base, e in term.scalars if e > 0]
    below += [_power(base, -e) for base, e in term.scalars if e < 0]
    factors = [*above, *term.chain]
    numerator = Product.of(*factors) if factors else Number(1)
    value = Quotient(numerator, Product.of(*below)) if below else numerator
    return Negation(value) if term.coefficient < 0 else value


def _number_over(coefficient: Coefficient) -> tuple[list[Expression], list[Expression]]:
    """Return the absolute value of a coefficient as factors above and below the line."""
    if not isinstance(coefficient, Fraction):
        return [Number(abs(coefficient))], []
    return _whole(abs(coefficient.numerator)), _whole(coefficient.denominator)


def _whole(value: int) -> list[Expression]:
    """Return factors of a whole number, as floats where it is long, none for 1."""
    if value > float_info.max:
        return [Number(1e150), *_whole(value // int(1e150))]
    return [Number(value if value <= LONGEST else float(value))] if value != 1 else []


def _power(base: Expression, exponent: Exponent) -> Expression:
    if exponent == 1:
        return base
    whole = isinstance(exponent, Fraction) and exponent.denominator == 1 and exponent <= LONGEST
    return Power.of(base, lift(int(exponent) if whole else float(exponent)))
