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

# What may be missing to symmetry, orthogonality and the like, relative to the largest entry.
ROUNDING = 1e-6


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
    """

    subject: str
    property: str
    margin: Callable[[Array], Array]

    def margins(self, formula: "Formula", arrays: Mapping[str, ArrayLike]) -> Array:
        """Return the margins on arrays for the variables, NaN where a value is not finite."""
        expression = formula.parse(self.subject)
        values = expression.evaluate(**{name: arrays[name] for name in expression.variables})
        axes = tuple(range(-len(expression.shape), 0))
        finite = np.isfinite(values).all(axis=axes, keepdims=True)
        margins = self.margin(np.where(finite, values, 0))
        return np.where(finite.all(axis=axes), margins, np.nan)

    def verify(self, formula: "Formula", arrays: Mapping[str, ArrayLike]) -> None:
        """Raise ValueError unless the condition holds everywhere."""
        holds = self.margins(formula, arrays) > 0
        if not np.all(holds):
            place = tuple(int(index) for index in np.argwhere(~holds)[0])
            where = f" at {place} of the batch" if place else ""
            raise ValueError(f"{self.subject} is expected to be {self.property}; it is not{where}")

    def __str__(self) -> str:
        return f"{self.subject} is {self.property}"


def invertible(subject: str) -> Condition:
    """Return the condition that a square matrix has an inverse."""
    return Condition(subject, "invertible", _invertibility_margin)


def full_column_rank(subject: str) -> Condition:
    """Return the condition that the columns of a matrix are linearly independent."""
    return Condition(subject, "of full column rank", _column_rank_margin)


def nonzero(subject: str) -> Condition:
    """Return the condition that a scalar is not zero."""
    return Condition(subject, "nonzero", np.abs)


def positive(subject: str) -> Condition:
    """Return the condition that a scalar is positive."""
    return Condition(subject, "positive", lambda values: values)


def unit_coordinate(subject: str) -> Condition:
    """Return the condition that a vector is a column of the identity."""
    return Condition(subject, "a column of the identity", _unit_coordinate_margin)


def required(name: str, structure: str) -> Condition:
    """Return the condition that a variable has a structure of the language."""
    return Condition(name, structure.replace("_", " "), _STRUCTURE_MARGINS[structure])


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
    with np.errstate(invalid="ignore"):
        margin: Array = values[..., -1] / values[..., 0] - rounding
    return margin


def _unit_coordinate_margin(vectors: Array) -> Array:
    ones, zeros = (vectors == 1).sum(axis=-1), (vectors == 0).sum(axis=-1)
    return np.where((ones == 1) & (zeros == vectors.shape[-1] - 1), 1.0, -1.0)


def _nearness(a: Array, b: Array) -> Array:
    """Return 1 where matrices are equal, less than 0 where more than rounding is between."""
    axes = (-2, -1)
    scale = np.maximum(np.abs(a).max(axis=axes), np.finfo(float).tiny)
    return np.asarray(1 - np.abs(a - b).max(axis=axes) / (ROUNDING * scale))


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
        share = values[..., 0] / np.abs(values).max(axis=-1)
    return np.asarray(np.minimum(share, _symmetry_margin(matrices)))


_STRUCTURE_MARGINS: Mapping[str, Callable[[Array], Array]] = {
    "symmetric": _symmetry_margin,
    "diagonal": _diagonal_margin,
    "orthogonal": _orthogonality_margin,
    "positive_definite": _definiteness_margin,
}
