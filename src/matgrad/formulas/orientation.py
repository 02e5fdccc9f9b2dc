"""A derivative, as a formula declares it, in the layout that is asked for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    out_ndim, in_ndim = formula.axes
    source: Layout = "denominator" if formula.kind == "gradient" else "numerator"
    return convert(derivative, source, layout, out_ndim=out_ndim, in_ndim=in_ndim)


def over_batch(formula: "Formula", derivative: Array, arrays: Mapping[str, ArrayLike]) -> Array:
    """Return a derivative with the batch axes of the variable, which a constant one lacks."""
    if formula.kind in ("differential", "identity"):
        return derivative
    out_ndim, in_ndim = formula.axes
    shape = np.shape(arrays[formula.wrt])
    batch = shape[: len(shape) - in_ndim]
    core = derivative.shape[derivative.ndim - out_ndim - in_ndim :]
    whole = np.broadcast_shapes(derivative.shape, batch + core)
    return derivative if whole == derivative.shape else np.broadcast_to(derivative, whole).copy()
