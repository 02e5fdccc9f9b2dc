"""Whether the matrices of files are what they are declared to be."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matgrad.commands.errors import UsageError
from matgrad.formulas.conditions import required

if TYPE_CHECKING:
    from matgrad.expression.nodes import Variable

Array = npt.NDArray[Any]


def check_structures(variables: "Iterable[Variable]", arrays: Mapping[str, Array]) -> None:
    """Refuse matrices that lack a structure of their variable; with NaN or inf they pass.

    Raises
    ------
    UsageError
        If one does.
    """
    for variable in variables:
        if not variable.structure:
            continue
        X = arrays[variable.name]
        finite = np.isfinite(X).all(axis=(-2, -1), keepdims=True)
        # The identity has every structure.
        matrices = np.where(finite, X, np.eye(X.shape[-1], dtype=X.dtype))
        for structure in sorted(variable.structure):
            condition = required(variable.name, structure)
            holds = condition.margin(matrices) > 0
            if not holds.all():
                first = matrices[tuple(np.argwhere(~holds)[0])]
                raise UsageError(
                    f"{variable.name} is declared {condition.property}, which a matrix in it is "
                    f"not: {condition.finding(first)}"
                )
