"""Differentials as numbers: the derivative by every entry, from the differential along each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad.expression.binding import CORE_AXES
from matgrad.expression.evaluation import evaluate

if TYPE_CHECKING:
    from matgrad.calculus.derivation import Derivation

Array = NDArray[Any]


def tensor(derivation: "Derivation", arrays: Mapping[str, ArrayLike]) -> tuple[Array, int, int]:
    """Return dF/dX, axes of F before those of X, and how many axes each has.

    The differential is evaluated along all single entries at once, as one more batch axis.
    """
    if derivation.kind != "differential" or len(derivation.variables) != 1:
        raise ValueError(
            f"evaluate is for a differential by one variable; this is {derivation}, whose result "
            "evaluates itself"
        )
    (variable,) = derivation.variables
    x = np.asarray(arrays[variable.name])
    in_ndim, out_ndim = CORE_AXES[variable.declared], CORE_AXES[derivation.value.kind]
    core = x.shape[x.ndim - in_ndim :]
    given = {name: np.asarray(array) for name, array in arrays.items()}
    expressions = (derivation.result, *derivation.value.variables.values())
    models = (derivation.value, *[None] * len(derivation.value.variables))
    batch = _batch(derivation, given)
    directions = np.eye(int(np.prod(core))).reshape(-1, *[1] * len(batch), *core)
    increments = {name: directions for name in derivation.result.variables if name not in arrays}
    slopes = evaluate(expressions, given | increments, models)[0]
    shape = slopes.shape[slopes.ndim - out_ndim :]
    slopes = np.broadcast_to(slopes, (len(directions), *batch, *shape))
    found = np.moveaxis(slopes, 0, -1)
    return found.reshape(*found.shape[:-1], *core), out_ndim, in_ndim


def _batch(derivation: "Derivation", arrays: Mapping[str, Array]) -> tuple[int, ...]:
    """Return the batch axes of all arrays together."""
    variables = derivation.value.variables.values()
    shapes = [(arrays[v.name].shape, CORE_AXES[v.declared]) for v in variables]
    return np.broadcast_shapes(*(shape[: len(shape) - core] for shape, core in shapes))
