"""What must hold for a formula beside shapes: a margin that is positive where it does.

A margin does not depend on the scale of the arrays; how far from zero it has to be is for the
asker: rounding decides for arrays that are given, a comfortable distance for those that are drawn.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matgrad.formulas.formula import Formula

Array: TypeAlias = NDArray[Any]

# What may be missing to symmetry, orthogonality and the like, relative to the largest entry; an
# inverse in float32 is symmetric to four digits or so.
ROUNDING, SINGLE_ROUNDING = 1e-6, 1e-4

# Properties for which `sample` has to draw in a way of its own.
UNIT_COORDINATE, WHOLE = "a column of the identity", "a whole number from 1 on"


class Condition(NamedTuple):
    """A property that an expression must have.

    Parameters
    ----------
    subject : str
        An expression in the variables of the formula.
    property : str
        In words, behind "must be".
    margin : callable
        From values of the expression, a batch, to one number each, positive where it holds.
    finding : callable
        From one finite value of the expression to words that say what it is instead.
    """

    subject: str
    property: str
    margin: Callable[[Array], Array]
    finding: Callable[[Array], str]

    def margins(self, formula: "Formula", arrays: Mapping[str, ArrayLike]) -> Array:
        """Return the margins on arrays for the variables, NaN where a value is not finite."""
        values, axes = self._values(formula, arrays)
        finite = np.all(np.isfinite(values), axis=axes, keepdims=True)
        margins = self.margin(np.where(finite, values, 0))
        return np.where(np.all(finite, axis=axes), margins, np.nan)

    def verify(self, formula: "Formula", arrays: Mapping[str, ArrayLike]) -> None:
        """Raise ValueError unless the condition holds everywhere."""
        holds = self.margins(formula, arrays) > 0
        if not np.all(holds):
            place = tuple(int(index) for index in np.argwhere(~holds)[0])
            where = f"at {place} of the batch " if place else ""
            value = np.asarray(self._values(formula, arrays)[0][place])
            found = self.finding(value) if np.isfinite(value).all() else "it has NaN or inf"
            raise ValueError(f"{self.subject} is expected to be {self.property}; {where}{found}")

    def _values(
        self, formula: "Formula", arrays: Mapping[str, ArrayLike]
    ) -> tuple[Array, tuple[int, ...]]:
        """Return the values of the expression, and the axes behind the batch."""
        expression = formula.parse(self.subject)
        values = expression.evaluate(**{name: arrays[name] for name in expression.variables})
        return np.asarray(values), tuple(range(-len(expression.shape), 0))

    def __str__(self) -> str:
        return f"{self.subject} is {self.property}"


def invertible(subject: str) -> Condition:
    """Return the condition that a square matrix has an inverse."""
    return Condition(subject, "invertible", _invertibility_margin, _rank_found)


def full_column_rank(subject: str) -> Condition:
    """Return the condition that the columns of a matrix are linearly independent."""
    return Condition(subject, "of full column rank", _column_rank_margin, _rank_found)


def nonzero(subject: str) -> Condition:
    """Return the condition that a scalar is not zero."""
    return Condition(subject, "nonzero", np.abs, _number_found)


def positive(subject: str) -> Condition:
    """Return the condition that a scalar is positive."""
    return Condition(subject, "positive", lambda values: values, _number_found)


def unit_coordinate(subject: str) -> Condition:
    """Return the condition that a vector is a column of the identity."""
    return Condition(subject, UNIT_COORDINATE, _unit_coordinate_margin, _vector_found)


def required(name: str, structure: str) -> Condition:
    """Return the condition that a variable has a structure of the language."""
    return Condition(name, structure.replace("_", " "), *_STRUCTURES[structure])


def whole(subject: str) -> Condition:
    """Return the condition that a scalar is a whole number from 1 on, as an exponent may be."""
    return Condition(subject, WHOLE, _wholeness_margin, _number_found)


def _invertibility_margin(matrices: Array) -> Array:
    rows, columns = matrices.shape[-2:]
    return _rank_margin(matrices) if rows == columns else np.full(matrices.shape[:-2], -1.0)


def _column_rank_margin(matrices: Array) -> Array:
    rows, columns = matrices.shape[-2:]
    return _rank_margin(matrices) if rows >= columns else np.full(matrices.shape[:-2], -1.0)


def _rank_margin(matrices: Array) -> Array:
    """Return the smallest singular value over the largest, less what rounding may make of zero."""
    values = np.linalg.svd(matrices, compute_uv=False)
    rounding = max(matrices.shape[-2:]) * np.finfo(values.dtype).eps
    with np.errstate(divide="ignore", invalid="ignore"):
        share = values.min(axis=-1, initial=np.inf) / values.max(axis=-1, initial=0)
    return np.asarray(share - rounding)


def _unit_coordinate_margin(vectors: Array) -> Array:
    ones, zeros = (vectors == 1).sum(axis=-1), (vectors == 0).sum(axis=-1)
    return np.where((ones == 1) & (zeros == vectors.shape[-1] - 1), 1.0, -1.0)


def _wholeness_margin(values: Array) -> Array:
    return np.where((values == np.rint(values)) & (values >= 1), 1.0, -1.0)


def _nearness(a: Array, b: Array) -> Array:
    """Return 1 where matrices are equal, less than 0 where more than rounding is between."""
    axes = (-2, -1)
    rounding = SINGLE_ROUNDING if a.dtype == np.float32 else ROUNDING
    scale = np.maximum(np.abs(a).max(axis=axes, initial=0), np.finfo(float).tiny)
    return np.asarray(1 - np.abs(a - b).max(axis=axes, initial=0) / scale / rounding)


def _symmetry_margin(matrices: Array) -> Array:
    return _nearness(matrices, matrices.mT)


def _diagonal_margin(matrices: Array) -> Array:
    return _nearness(matrices, matrices * np.eye(matrices.shape[-1]))


def _orthogonality_margin(matrices: Array) -> Array:
    return _nearness(np.matmul(matrices, matrices.mT), np.eye(matrices.shape[-1]))


def _definiteness_margin(matrices: Array) -> Array:
    """Return the smallest eigenvalue over the largest, or what is missing to symmetry."""
    values = np.linalg.eigvalsh(matrices)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = values.min(axis=-1, initial=np.inf) / np.abs(values).max(axis=-1, initial=0)
    return np.asarray(np.minimum(share, _symmetry_margin(matrices)))


def _number_found(value: Array) -> str:
    return f"it is {value.item()}"


def _vector_found(vector: Array) -> str:
    ones, zeros = np.sum(vector == 1), np.sum(vector == 0)
    return f"of its {vector.size} entries {ones} are 1 and {zeros} are 0"


def _rank_found(matrix: Array) -> str:
    if 0 in matrix.shape:
        return f"it is {matrix.shape[0]} x {matrix.shape[1]}"
    values = np.linalg.svd(matrix, compute_uv=False)
    share = values[-1] / values[0] if values[0] else 0.0
    shape = f"it is {matrix.shape[0]} x {matrix.shape[1]} and "
    return f"{shape}its smallest singular value is {share:.1e} times its largest"


def _symmetry_found(matrix: Array) -> str:
    return f"it differs from its transpose by up to {np.abs(matrix - matrix.T).max():.1e}"


def _diagonal_found(matrix: Array) -> str:
    off = matrix - np.diag(np.diag(matrix))
    return f"its entries off the diagonal reach {np.abs(off).max():.1e}"


def _orthogonality_found(matrix: Array) -> str:
    distance = np.abs(matrix @ matrix.T - np.eye(len(matrix))).max()
    return f"its product with its transpose differs from I by up to {distance:.1e}"


def _definiteness_found(matrix: Array) -> str:
    if not _symmetry_margin(matrix) > 0:
        return _symmetry_found(matrix)
    return f"its smallest eigenvalue is {np.linalg.eigvalsh(matrix)[0]:.1e}"


_STRUCTURES: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], str]]] = {
    "symmetric": (_symmetry_margin, _symmetry_found),
    "diagonal": (_diagonal_margin, _diagonal_found),
    "orthogonal": (_orthogonality_margin, _orthogonality_found),
    "positive_definite": (_definiteness_margin, _definiteness_found),
}
