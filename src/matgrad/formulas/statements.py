"""Formulas as they are read: in text and in LaTeX, in either layout."""

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from matgrad.expression import Expression
    from matgrad.formulas.formula import Formula

Written: TypeAlias = Literal["denominator", "numerator"]

FIRST = r"\frac{{\partial}}{{\partial {wrt}}} {value} = {derivative}"
SECOND = r"\frac{{\partial^2}}{{\partial {wrt}\,\partial {wrt}^{{\top}}}} {value} = {derivative}"
LATEX = {
    "gradient": FIRST,
    "jacobian": FIRST,
    "hessian": SECOND,
    "differential": r"\mathrm{{d}}\left({value}\right) = {derivative}",
    "identity": "{value} = {derivative}",
}
TEXT = {
    "gradient": "d {value} / d{wrt} = {derivative}",
    "jacobian": "d {value} / d{wrt} = {derivative}",
    "hessian": "d^2 {value} / d{wrt}^2 = {derivative}",
    "differential": "d({value}) = {derivative}",
    "identity": "{value} = {derivative}",
}


def text(formula: "Formula", layout: Written) -> str:
    """Return the statement as text of the language.

    Examples
    --------
    >>> from matgrad import catalog
    >>> from matgrad.formulas.statements import text
    >>> text(catalog["trace-product"], "numerator")
    'd tr(A*X) / dX = A'
    """
    derivative = in_layout(formula, layout)
    value = f"({formula.value})" if _needs_parentheses(formula) else formula.value
    return TEXT[formula.kind].format(value=value, wrt=formula.wrt, derivative=derivative)


def latex(formula: "Formula", layout: Written) -> str:
    r"""Return the statement in LaTeX.

    Examples
    --------
    >>> from matgrad import catalog
    >>> from matgrad.formulas.statements import latex
    >>> print(latex(catalog["trace-product"], "denominator"))
    \frac{\partial}{\partial X} \operatorname{tr}\left(A X\right) = A^{\top}
    """
    value = formula.value.latex()
    if _needs_parentheses(formula):
        value = rf"\left({value}\right)"
    wrt = formula.parse(formula.wrt).latex() if formula.wrt else ""
    derivative = in_layout(formula, layout).latex()
    for name, increment in formula.increments.items():
        upright = rf"\mathrm{{d}}{formula.parse(name).latex()}"
        derivative = derivative.replace(increment.latex(), upright)
    return LATEX[formula.kind].format(value=value, wrt=wrt, derivative=derivative)


def _needs_parentheses(formula: "Formula") -> bool:
    """Return whether the sign of the derivative would stand before a part of the value only."""
    from matgrad.expression.nodes import Negation, Quotient, Sum

    derives = formula.kind in ("gradient", "jacobian", "hessian")
    return derives and isinstance(formula.value, Sum | Negation | Quotient)


def has_layouts(formula: "Formula") -> bool:
    """Return whether the derivative is written differently in the two layouts."""
    return formula.kind in ("gradient", "jacobian") and not formula.parse(formula.wrt).is_scalar


def in_layout(formula: "Formula", layout: Written) -> "Expression":
    """Return the derivative of a formula as an expression in a layout.

    A gradient is declared in denominator layout, a Jacobian in numerator layout.
    """
    declared = "denominator" if formula.kind == "gradient" else "numerator"
    if not has_layouts(formula) or layout == declared:
        return formula.derivative
    return transposed(formula.derivative)


def transposed(expression: "Expression") -> "Expression":
    """Return the transpose, with the mark at the factors.

    Examples
    --------
    >>> from matgrad.expression import parse
    >>> from matgrad.formulas.statements import transposed
    >>> print(transposed(parse("A'*X*B/2 + C")))
    B'*X'*A/2 + C'
    """
    from matgrad.expression.nodes import (
        Constant,
        Negation,
        Product,
        Quotient,
        Sum,
        Transpose,
        Variable,
    )

    if expression.is_scalar:
        return expression
    match expression:
        case Transpose(operand):
            return operand
        case Negation(operand):
            return Negation(transposed(operand))
        case Quotient(numerator, denominator):
            return Quotient(transposed(numerator), denominator)
        case Sum(terms):
            return Sum.of(*map(transposed, terms))
        case Product():
            *scalars, matrices = expression.runs
            products = [Product.of(*factors) for factors in scalars]
            return Product.of(*products, *map(transposed, reversed(matrices)))
        case Constant("I"):
            return expression
        case Variable() if expression.is_symmetric:
            return expression
    return Transpose(expression)
