"""An expression as a coefficient times a chain of matrices, whatever signs and products hide it.

``-(A*B/alpha)'`` is the coefficient -1/alpha times the chain B', A'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Negation, Product, Quotient, Transpose


class Factor(NamedTuple):
    """A matrix of a chain: an expression or its transpose."""

    node: Expression
    transposed: bool


@dataclass(frozen=True, slots=True)
class Multiple:
    """A sign, scalars above and below the line, and the matrices, none for a scalar."""

    negative: bool = False
    numerators: tuple[Expression, ...] = ()
    denominators: tuple[Expression, ...] = ()
    factors: tuple[Factor, ...] = ()

    def times(self, other: "Multiple") -> "Multiple":
        """Return the product."""
        return Multiple(
            self.negative != other.negative,
            self.numerators + other.numerators,
            self.denominators + other.denominators,
            self.factors + other.factors,
        )


def multiple(node: Expression, transposed: bool = False) -> Multiple:
    """Return an expression, or its transpose, as a multiple of a chain."""
    match node:
        case Negation(operand):
            return Multiple(negative=True).times(multiple(operand, transposed))
        case Quotient(numerator, denominator):
            below = Multiple(denominators=(denominator,))
            return multiple(numerator, transposed).times(below)
        case Transpose(operand):
            return multiple(operand, not transposed)
        case Product():
            return _of_runs(node.runs, transposed)
        case _ if node.is_scalar:
            return Multiple(numerators=(node,))
    return Multiple(factors=(Factor(node, transposed),))


def _of_runs(runs: Sequence[tuple[Expression, ...]], transposed: bool) -> Multiple:
    """Return a product: its last run of matrices is the chain, all other runs are scalars."""
    chain = max((k for k, run in enumerate(runs) if _is_chain(run)), default=-1)
    product = Multiple()
    for k, run in enumerate(runs):
        if k != chain:
            product = product.times(_scalar(run))
            continue
        for factor in reversed(run) if transposed else run:
            product = product.times(multiple(factor, transposed))
    return product


def _is_chain(run: tuple[Expression, ...]) -> bool:
    return len(run) > 1 or not run[0].is_scalar


def _scalar(run: tuple[Expression, ...]) -> Multiple:
    """Return a scalar run as a coefficient: itself, where a chain is inside."""
    scalar = run[0] if len(run) == 1 else Product(run)
    inner = multiple(scalar)
    return Multiple(numerators=(scalar,)) if inner.factors else inner
