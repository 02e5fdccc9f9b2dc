"""Gradients and differentials as numbers: the derivative by every entry.

That of a differential comes from the differential along each entry.
"""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad.expression.binding import CORE_AXES, Given, bind
from matgrad.expression.evaluation import evaluate
from matgrad.expression.inference import infer
from matgrad.expression.nodes import Transpose, Variable

if TYPE_CHECKING:
    from matgrad.calculus.derivation import Derivation
    from matgrad.expression.expression import Expression

Array = NDArray[Any]


def tensor(derivation: "Derivation", arrays: Mapping[str, ArrayLike]) -> tuple[Array, int, int]:
    """Return dF/dX, axes of F before those of X, and how many axes each has."""
    if derivation.kind == "gradient":
        return _gradient(derivation, arrays)
    if derivation.kind != "differential" or len(derivation.variables) != 1:
        raise ValueError(
            f"evaluate is for a gradient or a differential by one variable; this is {derivation}, "
            "whose result evaluates itself"
        )
    return _along_entries(derivation, arrays)


def _gradient(derivation: "Derivation", arrays: Mapping[str, ArrayLike]) -> tuple[Array, int, int]:
    """Return the gradient in the shape of the variable, which shows the sizes of constants."""
    value, (variable,), found = derivation.value, derivation.variables, derivation.result
    if derivation.layout == "numerator":
        found = Transpose(found)
    given = {name: np.asarray(array) for name, array in arrays.items()}
    dtype = _dtype(value, arrays, given)
    expressions = (found, *value.variables.values())
    slopes = evaluate(expressions, arrays, (variable, *[None] * len(value.variables)))[0]
    in_ndim, X = CORE_AXES[variable.declared], given[variable.name]
    shape = (*_batch(value, given), *X.shape[X.ndim - in_ndim :])
    return np.array(np.broadcast_to(slopes, shape), dtype), 0, in_ndim


def _along_entries(
    derivation: "Derivation", arrays: Mapping[str, ArrayLike]
) -> tuple[Array, int, int]:
    """Return the differential along all single entries at once, as one more batch axis."""
    value, (variable,) = derivation.value, derivation.variables
    given = {name: np.asarray(array) for name, array in arrays.items()}
    dtype = _dtype(value, arrays, given)
    in_ndim, out_ndim = CORE_AXES[variable.declared], CORE_AXES[value.kind]
    X, batch = given[variable.name], _batch(value, given)
    core = X.shape[X.ndim - in_ndim :]
    count = prod(core)
    directions = np.eye(count, dtype=dtype).reshape(count, *[1] * len(batch), *core)
    directions = _projected(directions, variable, X)
    increments = {name: directions for name in derivation.result.variables if name not in arrays}
    expressions = (derivation.result, *value.variables.values())
    models = (value, *[None] * len(value.variables))
    slopes = evaluate(expressions, {**arrays, **increments}, models)[0]
    shape = slopes.shape[slopes.ndim - out_ndim :]
    slopes = np.broadcast_to(slopes, (count, *batch, *shape))
    found = np.moveaxis(slopes, 0, -1)
    return found.reshape(*found.shape[:-1], *core), out_ndim, in_ndim


def _dtype(
    value: "Expression", arrays: Mapping[str, ArrayLike], given: Mapping[str, Array]
) -> np.dtype[Any]:
    """Return the dtype of the computation; what does not fit is told of the function."""
    looks = [Given(name, A.shape, A.dtype, type(arrays[name])) for name, A in given.items()]
    return bind((value,), infer((value,)), looks).dtype


def _batch(value: "Expression", arrays: Mapping[str, Array]) -> tuple[int, ...]:
    """Return the batch axes of all arrays together."""
    shapes = [(arrays[v.name].shape, CORE_AXES[v.declared]) for v in value.variables.values()]
    return np.broadcast_shapes(*(shape[: len(shape) - core] for shape, core in shapes))


def _projected(E: Array, variable: Variable, X: Array) -> Array:
    """Return directions projected as gradients are, see `matgrad.calculus.structures`."""
    if "diagonal" in variable.structure:
        E = E * np.eye(E.shape[-1], dtype=E.dtype)
    elif variable.is_symmetric:
        E = (E + E.mT) / 2
    elif "orthogonal" in variable.structure:
        E = (E - X @ E.mT @ X) / 2
    return E
