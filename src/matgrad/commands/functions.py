"""Scalar functions on the command line: kernels by their text, formulas by id, any expression.

Whatever the function, a batch asks for the same things: the variables with their axes, and the
value with its gradient on arrays.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matgrad import linalg
from matgrad.commands import showing
from matgrad.commands.errors import UsageError
from matgrad.commands.structures import check_structures
from matgrad.formulas import Formula, catalog

if TYPE_CHECKING:
    from matgrad.expression import Expression

Array = npt.NDArray[Any]

ID = r"[a-z0-9]+(-[a-z0-9]+)+"
"""What is an id, even if no formula has it: a difference without capitals has no variable X."""


CHECKED = 4
"""How many arrays of the size of a variable are held to check its structure."""


@dataclass(frozen=True)
class Function:
    """A scalar function of a variable and of constants.

    Attributes
    ----------
    text
        The function as it is written, without white space, or the id of a formula.
    axes
        The names of the lengths of each variable's axes: {"X": ("n", "n")}.
    value_and_gradient
        Takes the variables by name, batches that broadcast, and returns the value and the
        gradient in denominator layout (the shape of the variable), which may have to be broadcast.
    wrt
        The variable.
    work
        How many arrays of the size of the largest variable are held meanwhile.
    """

    text: str
    axes: Mapping[str, tuple[str, ...]]
    value_and_gradient: Callable[..., tuple[Array, Array]]
    wrt: str = "X"
    work: int = 2


def find(
    text: str, wrt: str | None = None, declared: Mapping[str, tuple[str, ...]] | None = None
) -> Function:
    """Return the formula with this id, the kernel with this text, or the expression.

    Parameters
    ----------
    text : str
        An id, or a text of the language.
    wrt : str, optional
        The variable; that of the formula, or else X, if it is not given.
    declared : mapping, optional
        Keywords of `matgrad.parse` for an expression.

    Raises
    ------
    UsageError
        If the text is neither id nor expression, it has no such variable, there is no gradient, or
        something is declared of a formula.

    Examples
    --------
    >>> from matgrad.commands.functions import find
    >>> find("tr( A * X )").text
    'tr(A*X)'
    >>> find("quadratic-form").axes
    {'x': ('n',), 'A': ('n', 'n')}
    """
    id = text.strip()
    if id in catalog or (wrt is None and re.fullmatch(ID, id)):
        return _of_formula(showing.find(id), wrt, declared or {})
    for function in FUNCTIONS:
        if function.text == "".join(text.split()) and wrt in (None, "X") and not declared:
            return function
    return _of_expression(text, "X" if wrt is None else wrt, declared or {})


def _of_expression(
    text: "str | Expression", wrt: str, declared: Mapping[str, tuple[str, ...]]
) -> Function:
    """Return an expression as a function: its gradient is derived."""
    from matgrad.calculus import derive
    from matgrad.expression.evaluation import evaluate
    from matgrad.expression.inference import infer

    keywords: Any = declared
    try:
        derivation = derive(text, wrt, **keywords)
    except ValueError as error:
        first, *_ = str(error).splitlines()
        hint = "; --wrt names the variable" if "has no variable" in first else ""
        raise UsageError(first.removeprefix("derive: ") + hint) from None
    value, gradient = derivation.value, derivation.result
    if derivation.kind != "gradient":
        raise UsageError(f"{value} is no scalar, so that it has no gradient")
    variable = value.variables[wrt]
    shapes = infer((value, gradient, variable), (None, variable, None)).shapes

    def value_and_gradient(**arrays: Array) -> tuple[Array, Array]:
        check_structures(value.variables.values(), arrays)
        expressions, models = (value, gradient, variable), (None, variable, None)
        found, slope, _ = evaluate(expressions, arrays, models)
        return found, slope

    return Function(
        str(value),
        {v.name: tuple(map(str, v.declared.visible(shape))) for v, shape in shapes.items()},
        value_and_gradient,
        wrt,
        sum(1 for each in (value, gradient) for _ in each.walk())
        + (CHECKED if any(each.structure for each in value.variables.values()) else 0),
    )


def _of_formula(
    formula: Formula, wrt: str | None, declared: Mapping[str, tuple[str, ...]]
) -> Function:
    """Return a formula as a function; by another variable than its own, its value is derived."""
    if formula.kind != "gradient":
        raise UsageError(f"{formula.id} has no gradient; it is of kind {formula.kind}")
    if declared:
        listed = ", ".join(declared)
        raise UsageError(f"{formula.id} says itself what its names are; got names for {listed}")
    if wrt not in (None, formula.wrt):
        return _of_expression(formula.value, wrt, {})
    return Function(
        formula.id,
        {name: tuple(map(str, shape)) for name, shape in formula.shapes.items()},
        formula.value_and_gradient,
        formula.wrt,
        sum(1 for each in (formula.value, formula.derivative) for _ in each.walk()),
    )


def _det(X: Array) -> tuple[Array, Array]:
    value, gradient = linalg.det_and_gradient(X)
    return value, gradient


def _logdet(X: Array) -> tuple[Array, Array]:
    _, value, gradient = linalg.slogdet_and_gradient(X)
    return value, gradient


def _trace(X: Array) -> tuple[Array, Array]:
    return linalg.trace(X), np.eye(X.shape[-1], dtype=X.dtype)


def _trace_product(A: Array, X: Array) -> tuple[Array, Array]:
    return linalg.trace_product(A, X), np.swapaxes(A, -1, -2)


def _quadratic_trace(X: Array, A: Array, Q: Array) -> tuple[Array, Array]:
    value, gradient = linalg.quadratic_trace_and_gradient(X, A, Q)
    return value, gradient


FUNCTIONS = (
    Function("det(X)", {"X": ("n", "n")}, _det),
    Function("logdet(X)", {"X": ("n", "n")}, _logdet),
    Function("tr(X)", {"X": ("n", "n")}, _trace),
    Function("tr(A*X)", {"A": ("m", "n"), "X": ("n", "m")}, _trace_product),
    Function("tr(X*A*X'*Q)", {"X": ("n", "m"), "A": ("m", "m"), "Q": ("n", "n")}, _quadratic_trace),
)
