"""Random arrays that meet the conditions of a formula."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.formulas.conditions import UNIT_COORDINATE, WHOLE

if TYPE_CHECKING:
    from matgrad.formulas.formula import Formula

Array: TypeAlias = NDArray[Any]
Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Array]

# Sizes for the dimensions in the order of their names: all different, and tall where it matters.
SIZES = (4, 3, 2, 5, 6)

# How far from violated a condition is where a sample is drawn, and how often it is tried.
MARGIN = 0.05
ATTEMPTS = 200


def draw(
    formula: "Formula", rng: np.random.Generator, batch: tuple[int, ...], dims: Mapping[str, int]
) -> dict[str, Array]:
    """Return a batch of arguments; what `Formula.sample` describes."""
    sizes = chosen_sizes(formula, dims)
    arrays = _arrays(formula, rng, batch, sizes)
    for _ in range(ATTEMPTS):
        bad = _violations(formula, arrays, batch)
        if not bad.any():
            return arrays
        fresh = _arrays(formula, rng, batch, sizes)
        for name, array in arrays.items():
            array[bad] = fresh[name][bad]
    conditions = " and ".join(map(str, formula.requirements()))
    raise ValueError(f"{formula.id} found no sample of sizes {sizes} for which {conditions}")


def chosen_sizes(formula: "Formula", dims: Mapping[str, int]) -> dict[str, int]:
    """Return a size for every dimension of a formula, the given ones where there are."""
    shapes = formula.shapes.values()
    atoms = (str(size).split("*") for shape in shapes for size in shape)
    names = dict.fromkeys(atom for each in atoms for atom in each if not atom.isdigit())
    for name in dims:
        if name not in names:
            listed = ", ".join(names) or "none"
            raise ValueError(f"{formula.id} has no dimension {name}; it has {listed}")
    return dict(zip(names, SIZES, strict=False)) | formula.sizes | dict(dims)


def _violations(
    formula: "Formula", arrays: Mapping[str, Array], batch: tuple[int, ...]
) -> NDArray[np.bool]:
    """Return where in the batch a condition is violated, or nearly so."""
    bad = np.zeros(batch, bool)
    for condition in formula.conditions:
        bad |= ~(condition.margins(formula, arrays) > MARGIN)
    return bad


def _arrays(
    formula: "Formula", rng: np.random.Generator, batch: tuple[int, ...], sizes: Mapping[str, int]
) -> dict[str, Array]:
    arrays = {}
    for name, shape in formula.shapes.items():
        drawing = _drawing(formula, name)
        lengths = (*batch, *(_length(size, sizes) for size in shape))
        arrays[name] = drawing(rng, lengths)
        if name in formula.complex:
            arrays[name] = arrays[name] + 1j * drawing(rng, lengths)
    return arrays


def _length(size: int | str, sizes: Mapping[str, int]) -> int:
    factors = str(size).split("*")
    return int(np.prod([int(each) if each.isdigit() else sizes[each] for each in factors]))


def _drawing(formula: "Formula", name: str) -> Draw:
    """Return what draws a variable: by its conditions, its structure, or its number of axes."""
    for condition in formula.conditions:
        if condition.subject == name and condition.property in _BY_PROPERTY:
            return _BY_PROPERTY[condition.property]
    (structure, *_) = (*sorted(_structure(formula, name)), None)
    if structure is not None:
        return _STRUCTURED[structure]
    return (scalar, vector, matrix)[len(formula.shapes[name])]


def _structure(formula: "Formula", name: str) -> frozenset[str]:
    return next(v.structure for v in formula.parse(name).variables.values())


def scalar(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw positive numbers of the size of 1."""
    return np.asarray(rng.uniform(0.5, 1.5, shape))


def vector(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw vectors with normal entries."""
    return np.asarray(rng.standard_normal(shape))


def unit_coordinate(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw columns of the identity."""
    return np.asarray(np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])])


def whole_number(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw whole numbers from 1 to 4."""
    return np.asarray(rng.integers(1, 5, shape), dtype=float)


def matrix(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw matrices whose singular values are between 0.6 and 1.6, so that inverses are tame."""
    left, values, right = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    values = rng.uniform(0.6, 1.6, values.shape)
    return np.asarray((left * values[..., None, :]) @ right)


def symmetric(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw symmetric matrices whose eigenvalues have either sign and absolute values as above."""
    axes = orthogonal(rng, shape)
    values = rng.uniform(0.6, 1.6, shape[:-1]) * rng.choice([-1.0, 1.0], shape[:-1])
    return _spectral(axes, values)


def positive_definite(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw symmetric matrices with eigenvalues between 0.6 and 1.6."""
    return _spectral(orthogonal(rng, shape), rng.uniform(0.6, 1.6, shape[:-1]))


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw orthogonal matrices."""
    return np.asarray(np.linalg.qr(rng.standard_normal(shape))[0])


def diagonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw diagonal matrices with positive entries."""
    return np.asarray(scalar(rng, shape) * np.eye(shape[-1]))


def _spectral(axes: Array, values: Array) -> Array:
    matrices = (axes * values[..., None, :]) @ axes.mT
    return np.asarray((matrices + matrices.mT) / 2)


_BY_PROPERTY: Mapping[str, Draw] = {UNIT_COORDINATE: unit_coordinate, WHOLE: whole_number}

_STRUCTURED: Mapping[str, Draw] = {
    "diagonal": diagonal,
    "orthogonal": orthogonal,
    "positive_definite": positive_definite,
    "symmetric": symmetric,
}
