"""`derive`: the derivative of an expression with its steps, by either method."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from matgrad.calculus.derivation import Derivation, Layout, Step
from matgrad.calculus.einstein import by_indices
from matgrad.calculus.problem import Problem
from matgrad.calculus.reading import by_differentials, total_differential
from matgrad.calculus.simplification import simplify
from matgrad.calculus.structures import CONVENTIONS, Convention
from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Transpose
from matgrad.expression.parser import parse

Method: TypeAlias = Literal["differential", "einstein"]
METHODS = ("differential", "einstein")
LAYOUTS = ("denominator", "numerator")


def derive(
    expression: str | Expression,
    wrt: str | Sequence[str],
    *,
    method: Method = "differential",
    layout: Layout = "denominator",
    order: int = 1,
    convention: Convention = "symmetric",
    **declarations: Any,
) -> Derivation:
    """Derive the derivative of an expression, step by step.

    Parameters
    ----------
    expression : str or Expression
        A text is read as by `matgrad.parse`.
    wrt : str or sequence of str
        The name of the variable; a sequence of names for the total differential, for which there
        is no method, layout, order or convention to choose.
    method : {"differential", "einstein"}
        By differentials (lecture-b), or by index notation with Kronecker deltas (lecture-a).
    layout : {"denominator", "numerator"}
        The gradient in the shape of the variable, or transposed; of a vector by a vector the
        transposed Jacobian, or the Jacobian, with a row for each output.
    order : {1, 2}
        2 for the Hessian of a scalar by a vector, and the second differential by a matrix.
    convention : {"symmetric", "free"}
        The gradient by a symmetric matrix: (G + G')/2, that of the Frobenius inner product, or
        G + G' - G .* I, the derivative by each free entry.
    **declarations
        Keywords of `matgrad.parse` for a text, such as ``symmetric="A"``.

    Returns
    -------
    Derivation
        Its ``result`` is an `Expression`: of a scalar the gradient, of a vector by a vector the
        Jacobian, of anything by a scalar the derivative, else the differential, with ``dX`` for the
        increment of ``X``.

    Raises
    ------
    NotDifferentiableError
        A ValueError that names the part without a derivative in the language.
    ValueError
        If there is no such variable, method, layout, order or convention, or one is chosen for a
        total differential, which has none.
    TypeError
        If there are declarations for an expression, which has its own, or no text and no names.

    Notes
    -----
    At a kink the derivative is a subgradient, and the conditions exclude it: that of ``abs`` and
    ``relu`` at 0 is 0. The determinant has its cofactors as gradient, which singular matrices have,
    too.

    Examples
    --------
    >>> from matgrad import derive
    >>> print(derive("tr(X*A*X'*Q)", "X"))
    d tr(X*A*X'*Q) / dX = Q'*X*A' + Q*X*A
    >>> print(derive("x'*A*x", "x", order=2, symmetric="A"))
    d^2 x'*A*x / dx^2 = 2*A
    >>> print(derive("inv(A)", "A"))
    d(inv(A)) = -inv(A)*dA*inv(A)
    """
    _refuse_unknown(
        method=(method, METHODS),
        layout=(layout, LAYOUTS),
        order=(order, (1, 2)),
        convention=(convention, CONVENTIONS),
    )
    value = _read(expression, declarations)
    if isinstance(wrt, str):
        return solved(Problem(value, [wrt]), method, layout, order, convention)
    if not isinstance(wrt, Sequence) or not wrt:
        raise TypeError(f"derive: wrt is a name or a sequence of names; got {wrt!r}")
    if (method, layout, order, convention) != (METHODS[0], LAYOUTS[0], 1, CONVENTIONS[0]):
        raise ValueError(
            "derive: the total differential, by several names, has no method, layout, order or "
            f"convention to choose; got {method!r}, {layout!r}, {order} and {convention!r}"
        )
    return total_differential(Problem(value, wrt))


def _read(expression: str | Expression, declarations: Mapping[str, Any]) -> Expression:
    """Return the function; only of a text it is still open what the names mean."""
    if isinstance(expression, str):
        return parse(expression, **declarations)
    if not isinstance(expression, Expression):
        raise TypeError(f"derive needs a text or an expression; got {expression!r}")
    if declarations:
        raise TypeError(
            f"derive takes {', '.join(declarations)} for a text only; the expression {expression} "
            "has its declarations from parse"
        )
    return expression


def solved(
    problem: Problem, method: Method, layout: Layout, order: int, convention: Convention
) -> Derivation:
    """Return the derivation for a problem."""
    by_method = by_indices if method == "einstein" else by_differentials
    return laid_out(by_method(problem, order, convention), layout)


def laid_out(derivation: Derivation, layout: Layout) -> Derivation:
    """Return the derivation in a layout: a gradient or the Jacobian of a vector transposed."""
    if derivation.kind not in ("gradient", "jacobian") or layout == derivation.layout:
        return derivation
    if derivation.value.kind is Kind.MATRIX or derivation.variables[0].is_scalar:
        return derivation
    result = simplify(Transpose(derivation.result))
    steps = (*derivation.steps, Step(f"{layout} layout", result))
    return replace(derivation, result=result, steps=steps, layout=layout)


def _refuse_unknown(**choices: tuple[Any, Iterable[Any]]) -> None:
    for name, (given, allowed) in choices.items():
        if given not in allowed:
            listed = ", ".join(map(repr, allowed))
            raise ValueError(f"derive: {name} must be one of {listed}; got {given!r}")
