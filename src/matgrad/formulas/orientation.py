"""A derivative, as a formula declares it, in the layout that is asked for."""

from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from matgrad.expression.binding import CORE_AXES
from matgrad.layout import Layout, convert

if TYPE_CHECKING:
    from matgrad.formulas.formula import Formula

Array: TypeAlias = NDArray[Any]


def laid_out(formula: "Formula", derivative: Array, layout: Layout) -> Array:
    """Return a derivative in a layout.

    A gradient is declared in denominator layout, a Jacobian and a Hessian in numerator layout.

    Raises
    ------
    ValueError
        If there is no such layout.
    """
    if formula.kind in ("differential", "identity"):
        if layout != "denominator":
            raise ValueError(f"{layout} is for derivatives; the formula is of kind {formula.kind}")
        return derivative
    in_ndim = CORE_AXES[formula.parse(formula.wrt).kind]
    if formula.kind == "gradient":
        return convert(derivative, "denominator", layout, out_ndim=0, in_ndim=in_ndim)
    # A Hessian is the Jacobian of a gradient, which is a scalar where the variable is one.
    out_ndim = in_ndim if formula.kind == "hessian" else 1
    return convert(derivative, "numerator", layout, out_ndim=out_ndim, in_ndim=in_ndim)
