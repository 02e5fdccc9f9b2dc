"""What an oracle is given: real arrays; constants that are all there, finite, and never change."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad.expression.binding import CORE_AXES, REAL, WEAK
from matgrad.expression.nodes import Variable
from matgrad.objective import Objective

Array: TypeAlias = NDArray[Any]


def real(name: str, value: ArrayLike) -> Array:
    """Return an array in the dtype in which it is computed with: of integers that is float64.

    Raises
    ------
    TypeError
        If it is not real.
    """
    array = np.asarray(value)
    check_real(name, array.dtype, name)
    return array.astype(np.float64) if array.dtype.kind in "biu" else array


def check_real(name: str, dtype: np.dtype[Any], what: str) -> None:
    """Refuse a dtype that an oracle does not compute with."""
    if dtype.kind not in "biu" and dtype.name not in REAL:
        raise TypeError(
            f"Oracle needs real {what}; {name} has dtype {dtype}; "
            f"supported are {', '.join(REAL)}, integers and bool"
        )


def copies(objective: Objective, constants: Mapping[str, ArrayLike]) -> dict[str, Any]:
    """Return read-only copies; a number of Python stays one, which leaves dtypes alone.

    Raises
    ------
    TypeError
        If a constant is missing, has no variable, or is not real.
    ValueError
        If one holds NaN or inf and is not one of a batch, or is not symmetric or diagonal as it is
        declared.
    """
    moving = {variable.name for variable in objective.variables}
    wanted = [name for name in objective.declared if name not in moving]
    for name in wanted:
        if name not in constants:
            raise TypeError(f"Oracle of {objective.value} needs the constant {name}")
    for name in constants:
        if name not in wanted:
            listed = ", ".join(wanted) or "none"
            raise TypeError(f"Oracle of {objective.value} takes the constants {listed}; got {name}")
    return {name: _copy(objective.declared[name], value) for name, value in constants.items()}


def batch_of(
    objective: Objective, constants: Mapping[str, Any], own: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the batch axes that constants have together with an x that has its own.

    Raises
    ------
    ValueError
        If they do not broadcast.
    """
    batches = [(own, "x")]
    for name, core in cores_of(objective, constants).items():
        shape = np.shape(constants[name])
        batches.append((shape[: len(shape) - len(core)], name))
    try:
        return np.broadcast_shapes(*(batch for batch, _ in batches))
    except ValueError:
        listed = ", ".join(f"{batch} of {name}" for batch, name in batches)
        raise ValueError(f"{objective.value}: the batches do not broadcast: {listed}") from None


def cores_of(objective: Objective, constants: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of constants by name, without batch axes."""
    axes = {name: CORE_AXES[objective.declared[name].declared] for name in constants}
    return {
        name: np.shape(each)[max(np.ndim(each) - axes[name], 0) :]
        for name, each in constants.items()
    }


def _copy(variable: Variable, value: ArrayLike) -> Any:
    # In C order, so that no bit of a product depends on the order that they come in.
    name, array = variable.name, np.array(value, order="C")
    check_real(name, array.dtype, "constants")
    is_batched = array.ndim > CORE_AXES[variable.declared]
    if not is_batched and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"Oracle needs finite constants; {name} holds NaN or inf")
    if not _is_as_declared(variable, array):
        raise ValueError(f"Oracle needs {name} to be {variable.description}, as it is declared")
    return value if type(value) in WEAK else frozen(array)


def _is_as_declared(variable: Variable, array: Array) -> bool:
    """Return whether matrices are symmetric and diagonal where they are declared to be.

    Rounding may spoil either: an inverse in float32 is symmetric to four digits or so.
    """
    if not variable.is_symmetric or array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        return True
    X = real(variable.name, array)
    with np.errstate(invalid="ignore", over="ignore"):
        model = X * np.eye(X.shape[-1]) if "diagonal" in variable.structure else X.mT
        scale = np.abs(X).max(axis=(-2, -1), keepdims=True, initial=0)
        return not (np.abs(X - model) > 1e-4 * scale).any()


def frozen(constant: Any) -> Any:
    """Return a constant, an array no longer writeable; a number of Python stays one."""
    if isinstance(constant, np.ndarray):
        constant.flags.writeable = False
    return constant
