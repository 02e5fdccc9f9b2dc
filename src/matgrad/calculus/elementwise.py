"""Differentials of elementwise functions, which for scalars are the functions themselves."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Call,
    Differential,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    number_of,
)

if TYPE_CHECKING:
    from matgrad.calculus.differentials import Differentials

Elementwise: TypeAlias = Callable[["Differentials", Expression, Expression], Expression]


def _log(d: "Differentials", F: Expression, dF: Expression) -> Expression:
    match F:
        case Sum((Number(1), Call("exp", (u,)))) | Sum((Call("exp", (u,)), Number(1))):
            # d log(1 + exp(u)) = sigmoid(u) du, which does not overflow      lecture-b 1.11
            return times(Call.of("sigmoid", u), Differential(u))
    d.require(F, "positive")
    return divided(dF, F)


def _sqrt(d: "Differentials", F: Expression, dF: Expression) -> Expression:
    d.require(F, "positive")
    return divided(dF, Product.of(2, Call.of("sqrt", F)))


def _abs(d: "Differentials", F: Expression, dF: Expression) -> Expression:
    # At 0, where there is none, the derivative taken is 0, a subgradient.
    d.require_nonzero(F)
    return times(Call.of("sign", F), dF)


def _relu(d: "Differentials", F: Expression, dF: Expression) -> Expression:
    # 1 where F > 0, else 0: at 0, where there is none, a subgradient.
    d.require_nonzero(F)
    return times(Call.of("sign", Call.of("relu", F)), dF)


def _tanh(d: "Differentials", F: Expression, dF: Expression) -> Expression:
    return Sum.of(dF, Negation(times(raised(Call.of("tanh", F), Number(2)), dF)))


ELEMENTWISE: Mapping[str, tuple[str, Elementwise]] = {
    "exp": ("d exp(F) = exp(F) .* dF", lambda d, F, dF: times(Call.of("exp", F), dF)),
    "log": ("d log(F) = dF ./ F", _log),
    "sqrt": ("d sqrt(F) = dF ./ (2 sqrt(F))", _sqrt),
    "sin": ("d sin(F) = cos(F) .* dF", lambda d, F, dF: times(Call.of("cos", F), dF)),
    "cos": ("d cos(F) = -sin(F) .* dF", lambda d, F, dF: -times(Call.of("sin", F), dF)),
    "tan": (
        "d tan(F) = dF ./ cos(F).^2",
        lambda d, F, dF: divided(dF, raised(Call.of("cos", F), Number(2))),
    ),
    "tanh": ("d tanh(F) = dF - tanh(F).^2 .* dF", _tanh),
    "abs": ("d abs(F) = sign(F) .* dF", _abs),
    "sigmoid": (
        "d sigmoid(F) = sigmoid(F) .* sigmoid(-F) .* dF",
        lambda d, F, dF: times(Call.of("sigmoid", F), Call.of("sigmoid", Negation(F)), dF),
    ),
    "softplus": (
        "d softplus(F) = sigmoid(F) .* dF",
        lambda d, F, dF: times(Call.of("sigmoid", F), dF),
    ),
    "relu": ("d relu(F) = sign(relu(F)) .* dF", _relu),
}


def times(*factors: Expression) -> Expression:
    """Return the product of elements, which for scalars is the product."""
    if all(factor.is_scalar for factor in factors):
        return Product.of(*factors)
    return ElementwiseProduct.of(*factors)


def divided(numerator: Expression, denominator: Expression) -> Expression:
    """Return the quotient of elements; by a scalar it is the quotient."""
    if denominator.is_scalar:
        return Quotient(numerator, denominator)
    return ElementwiseQuotient(numerator, denominator)


def raised(base: Expression, exponent: Expression | float) -> Expression:
    """Return a power of elements, the base itself for the exponent 1."""
    value = exponent if not isinstance(exponent, Expression) else number_of(exponent)
    if value == 1:
        return base
    power = Sum.of(exponent)
    return (
        Power.of(base, power)
        if base.is_scalar and power.is_scalar
        else ElementwisePower(base, power)
    )
