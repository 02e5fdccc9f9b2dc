"""What a derivation is: the statement, the steps that lead to it, and what must hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from matgrad.expression.dimension import Dimension
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Negation, Quotient, Sum, Variable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from matgrad.layout import Layout as Conversion

Outcome: TypeAlias = Literal["gradient", "jacobian", "hessian", "differential", "bilinear"]
Layout: TypeAlias = Literal["denominator", "numerator"]
Commutations: TypeAlias = tuple[tuple["Variable", tuple["Dimension", "Dimension"]], ...]


class Written(Protocol):
    """What a step leads to: an expression, or one in index notation."""

    def latex(self) -> str:
        """Return it in LaTeX."""


class NotDifferentiableError(ValueError):
    """An expression has no derivative in the language; the message names the part."""


class Condition(NamedTuple):
    """What must hold for a derivative.

    Parameters
    ----------
    subject : Expression
        A part of the expression.
    property : str
        What it must be, in words: "invertible", "nonzero", "without a zero entry".
    """

    subject: Expression
    property: str

    def __str__(self) -> str:
        return f"{self.subject} is {self.property}"


class Step(NamedTuple):
    """One move of a derivation.

    Parameters
    ----------
    rule : str
        The name of the rule that was applied.
    expression : Expression or IndexExpression
        What it led to: it has ``str()`` and ``.latex()``.
    """

    rule: str
    expression: Written

    def __str__(self) -> str:
        return f"{self.expression}    [{self.rule}]"


STATEMENT: dict[Outcome, tuple[str, str]] = {
    "gradient": ("d {f} / d{x} = {g}", r"\frac{{\partial}}{{\partial {x}}} {f} = {g}"),
    "jacobian": ("d {f} / d{x} = {g}", r"\frac{{\partial}}{{\partial {x}}} {f} = {g}"),
    "hessian": (
        "d^2 {f} / d{x}^2 = {g}",
        r"\frac{{\partial^2}}{{\partial {x}\,\partial {x}^{{\top}}}} {f} = {g}",
    ),
    "differential": ("d({f}) = {g}", r"\mathrm{{d}}\left({f}\right) = {g}"),
    "bilinear": ("d^2({f}) = {g}", r"\mathrm{{d}}^2\left({f}\right) = {g}"),
}


@dataclass(frozen=True, repr=False)
class Derivation:
    """A derivative and how it is found; `matgrad.derive` makes it.

    Parameters
    ----------
    value : Expression
        The function.
    variables : tuple of Variable
        What varies: one variable, or several for a total differential.
    kind : {"gradient", "jacobian", "hessian", "differential", "bilinear"}
        What `result` is: the gradient of a scalar; the Jacobian of a vector, or the derivative by a
        scalar; the Hessian; the differential, in which ``dX`` is the increment of ``X``; the second
        differential of a function of a matrix, in its increments ``dX`` and ``eX``.
    result : Expression
        The derivative.
    steps : tuple of Step
        From the function to the result.
    conditions : tuple of Condition
        What must hold.
    layout : {"denominator", "numerator"}
        How the result is arranged.
    vec : Expression or None
        For a differential by one variable, V in d vec(F) = V d vec(X), columns stacked; None where
        the language has none.
    commutations : tuple of (Variable, (Dimension, Dimension))
        Which variables in `vec`, or in a Jacobian, are commutation matrices, and of what sizes: see
        `matgrad.layout.commutation_matrix`.
    """

    value: Expression
    variables: tuple[Variable, ...]
    kind: Outcome
    result: Expression
    steps: tuple[Step, ...]
    conditions: tuple[Condition, ...]
    layout: Layout
    vec: Expression | None = None
    commutations: Commutations = ()

    def evaluate(self, *, layout: "Conversion" = "tensor", **arrays: "ArrayLike") -> "NDArray[Any]":
        """Return a gradient, or the derivative of a differential, as numbers in a layout.

        Parameters
        ----------
        layout : {"tensor", "vec", "vec-row-major", ...}
            See `matgrad.layout.convert`; in tensor layout the axes of the function come before
            those of the variable: a gradient has the shape of the variable.
        **arrays : array_like
            An array for each variable of the function, batch axes leading, as for
            `Expression.evaluate`.

        Raises
        ------
        TypeError
            If an array is missing, has no variable, or has a dtype that is not supported.
        ValueError
            If the derivation is neither a gradient nor a differential by one variable, there is no
            such layout, or a shape does not fit.

        Notes
        -----
        By a variable with a structure it is the derivative along the directions that keep the
        structure, as for gradients: by a symmetric one, entry (s, t) and entry (t, s) share theirs.

        Examples
        --------
        >>> from matgrad import derive
        >>> derive("A*X", "X").evaluate(layout="vec", A=[[1.0, 2.0]], X=[[3.0], [4.0]])
        array([[1., 2.]])
        >>> derive("tr(X)", "X").evaluate(X=[[3.0, 1.0], [1.0, 2.0]])
        array([[1., 0.],
               [0., 1.]])
        """
        from matgrad.calculus.tensors import tensor
        from matgrad.layout import convert

        found, out_ndim, in_ndim = tensor(self, arrays)
        if layout == "tensor":
            return found
        return convert(found, "tensor", layout, out_ndim=out_ndim, in_ndim=in_ndim)

    def __str__(self) -> str:
        f, x, g = str(self.value), self.variables[0].name, str(self.result)
        return STATEMENT[self.kind][0].format(f=self._bracketed(f, "(", ")"), x=x, g=g)

    def __repr__(self) -> str:
        return f"<Derivation: {self}>"

    def latex(self) -> str:
        """Return the statement in LaTeX."""
        f, x, g = self.value.latex(), self.variables[0].latex(), self.result.latex()
        f = self._bracketed(f, r"\left(", r"\right)")
        return STATEMENT[self.kind][1].format(f=f, x=x, g=g)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def _bracketed(self, text: str, opening: str, closing: str) -> str:
        """Return the function in brackets where the sign before it would be read otherwise."""
        loose = isinstance(self.value, Sum | Negation | Quotient)
        return text.join((opening, closing)) if loose and "differ" not in self.kind else text

    def explain(self) -> str:
        """Return the steps, one a line, then the conditions.

        Examples
        --------
        >>> from matgrad import derive
        >>> print(derive("tr(A*X)", "X").explain())
        d(tr(A*X))
        tr(d(A*X))    d tr(F) = tr(dF)
        tr(A*dX)      d(AF) = A dF
        tr(A*dX)      moves under the trace
        A'            read off
        d tr(A*X) / dX = A'
        """
        width = min(max((len(str(step.expression)) for step in self.steps), default=0) + 4, 72)
        lines = [_line(step, width) for step in self.steps]
        conditions = [f"where {' and '.join(map(str, self.conditions))}"] if self.conditions else []
        return "\n".join([*lines, str(self), *conditions])


def _line(step: Step, width: int) -> str:
    return f"{step.expression!s:{width}}  {step.rule}".rstrip()


def unique(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Return conditions without repetitions, in their order."""
    return tuple(dict.fromkeys(conditions))
