"""Variables in one flat vector: their places, their parametrizations, their sizes."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.expression.binding import CORE_AXES
from matgrad.expression.inference import Inference
from matgrad.expression.nodes import Variable
from matgrad.parametrizations import Cholesky, Core, Full, Parametrization

Array: TypeAlias = NDArray[Any]
Sizes: TypeAlias = Mapping[str, int]
Lengths: TypeAlias = tuple[int, ...]


class Coordinates:
    """Where the variables are in a flat vector.

    Parameters
    ----------
    charts : mapping of Variable to Parametrization
        The variables in their order, with their parametrizations.
    cores : sequence of (int, int)
        Their rows and columns.
    """

    def __init__(self, charts: Mapping[Variable, Parametrization], cores: Sequence[Core]) -> None:
        counts = [chart.size(core) for chart, core in zip(charts.values(), cores, strict=True)]
        ends = [*accumulate(counts)]
        self.size = ends[-1]
        self.names = tuple(variable.name for variable in charts)
        self.shapes: tuple[Lengths, ...] = tuple(
            core[: CORE_AXES[variable.declared]]
            for variable, core in zip(charts, cores, strict=True)
        )
        # The variables that must be positive definite, and may be something else.
        self.perhaps_indefinite = {
            variable.name
            for variable, chart in charts.items()
            if "positive_definite" in variable.structure and not isinstance(chart, Cholesky)
        }
        places = [slice(end - size, end) for end, size in zip(ends, counts, strict=True)]
        self.is_single = len(charts) == 1
        self.is_plain = all(type(chart) is Full for chart in charts.values())
        self.parts = tuple(zip(charts.values(), cores, places, strict=True))

    def matrices(self, x: Array) -> list[Array]:
        """Return each variable as an array of shape (..., rows, columns)."""
        if self.is_single:
            return [self.parts[0][0].matrix(x, self.parts[0][1])]
        if x.ndim == 1:
            return [chart.matrix(x[place], core) for chart, core, place in self.parts]
        return [chart.matrix(x[..., place], core) for chart, core, place in self.parts]

    def derivatives(self, x: Array, p: Array) -> list[Array]:
        """Return the derivative of each variable in the direction p."""
        return [
            chart.derivative(x[..., place], p[..., place], core)
            for chart, core, place in self.parts
        ]

    def gradient(self, x: Array, gradients: Sequence[Array]) -> Array:
        """Return the gradients by the variables as one by x, in memory of its own."""
        parts = zip(self.parts, gradients, strict=True)
        if self.is_plain and not self.is_single:
            # Where they are joined they are copied, so that views do.
            return _joined([chart.coordinates(G) for (chart, _, _), G in parts])
        return _joined([chart.gradient(x[..., place], G) for (chart, _, place), G in parts])

    def product(
        self, x: Array, p: Array, gradients: Sequence[Array], products: Sequence[Array]
    ) -> Array:
        """Return the Hessian product by x from those by the variables."""
        parts = zip(self.parts, gradients, products, strict=True)
        return _joined(
            [
                chart.product(x[..., place], p[..., place], G, dG)
                for (chart, _, place), G, dG in parts
            ]
        )

    def unpack(self, x: Array) -> dict[str, Array]:
        """Return copies of the variables, by name and in their shapes."""
        parts = zip(self.names, self.shapes, self.matrices(x), strict=True)
        return {name: X.reshape((*x.shape[:-1], *shape)).copy() for name, shape, X in parts}

    def pack(self, arrays: Mapping[str, Array]) -> Array:
        """Return the flat vector of variables, of the symmetric part where a chart is of such."""
        parts = []
        for name, shape, (chart, core, _) in zip(self.names, self.shapes, self.parts, strict=True):
            X = arrays[name]
            batch = X.shape[: max(X.ndim - len(shape), 0)]
            if X.shape != (*batch, *shape):
                wanted = ", ".join(map(str, ("...", *shape)))
                raise ValueError(f"pack needs {name} of shape ({wanted}); got {X.shape}")
            X = X.reshape(*batch, *core)
            parts.append(chart.coordinates(X if type(chart) is Full else (X + X.mT) / 2))
        return _joined(parts).copy()

    def batch(self, lengths: Lengths) -> Lengths | None:
        """Return the batch axes of an x with axes of these lengths, None if no x has them.

        The only variable may come in its own shape, where its entries are its coordinates.
        """
        own = self.shapes[0]
        is_plain = len(self.parts) == 1 and isinstance(self.parts[0][0], Full)
        if is_plain and len(own) == 2 and lengths[-2:] == own:
            return lengths[:-2]
        if is_plain and not own and not lengths:
            return ()
        return lengths[:-1] if lengths[-1:] == (self.size,) else None


def coordinates_of(
    charts: Mapping[Variable, Parametrization],
    inference: Inference,
    arrays: Mapping[str, Array],
    lengths: Lengths | None = None,
) -> Coordinates | None:
    """Return the coordinates that the sizes of arrays and of an x determine, None if they do not.

    What no array measures is measured on x: on its shape, if it is that of the only variable, or on
    its length, if one dimension is unknown.
    """
    sizes = _measured(inference, arrays)
    unknown = {s for v in charts for d in inference.shapes[v] for s in d.symbols} - sizes.keys()
    if not unknown:
        return _sized(charts, inference, sizes)
    if lengths is None:
        return None
    for guess in _guesses(charts, inference, unknown, lengths):
        if not unknown <= guess.keys():
            continue
        found = _sized(charts, inference, {**guess, **sizes})
        if found.batch(lengths) is not None:
            return found
    return None


def _measured(inference: Inference, arrays: Mapping[str, Array]) -> Sizes:
    """Return the sizes of the dimensions that arrays show by themselves."""
    sizes: dict[str, int] = {}
    for variable in inference.shapes:
        if variable.name in arrays:
            for symbol, length in _shown(inference, variable, arrays[variable.name].shape):
                sizes.setdefault(symbol, length)
    return sizes


def _shown(inference: Inference, variable: Variable, lengths: Lengths) -> Iterator[tuple[str, int]]:
    """Yield the symbols among a variable's dimensions, with the lengths of an array's axes."""
    dimensions = variable.declared.visible(inference.shapes[variable])
    axes = lengths[max(len(lengths) - len(dimensions), 0) :]
    for dimension, length in zip(dimensions, axes, strict=False):
        if len(dimension.symbols) == 1 and dimension.coefficient == 1:
            yield dimension.symbols[0], length


def _guesses(
    charts: Mapping[Variable, Parametrization],
    inference: Inference,
    unknown: set[str],
    lengths: Lengths,
) -> Iterator[Sizes]:
    """Yield what the sizes of unknown dimensions may be for an x."""
    first = next(iter(charts))
    if len(lengths) >= CORE_AXES[first.declared]:
        yield dict(_shown(inference, first, lengths))
    if len(unknown) == 1 and lengths:
        (symbol,) = unknown
        yield from ({symbol: size} for size in range(lengths[-1] + 1))


def _sized(
    charts: Mapping[Variable, Parametrization], inference: Inference, sizes: Sizes
) -> Coordinates:
    shapes = [inference.shapes[variable] for variable in charts]
    return Coordinates(
        charts, [(rows.value(sizes), columns.value(sizes)) for rows, columns in shapes]
    )


def _joined(parts: Sequence[Array]) -> Array:
    """Return the parts of a flat vector as one."""
    if len(parts) == 1:
        return parts[0]
    batches = {part.shape[:-1] for part in parts}
    if len(batches) > 1:
        batch = np.broadcast_shapes(*batches)
        parts = [np.broadcast_to(part, (*batch, part.shape[-1])) for part in parts]
    return np.concatenate(parts, axis=-1)
