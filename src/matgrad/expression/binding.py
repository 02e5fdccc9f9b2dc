"""Arrays for variables: dtypes, shapes and batches checked, dimensions measured."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple, NoReturn

import numpy as np

from matgrad.expression.builder import Extent
from matgrad.expression.dimension import Dimension, Kind
from matgrad.expression.expression import Expression
from matgrad.expression.inference import Inference
from matgrad.expression.nodes import Variable

REAL = ("float32", "float64")
SUPPORTED = (*REAL, "complex64", "complex128")

# How many axes a kind has behind those of the batch.
CORE_AXES = {Kind.SCALAR: 0, Kind.COLUMN: 1, Kind.ROW: 2, Kind.MATRIX: 2}

# Numbers of Python, which leave the dtype of arrays alone, as they do in NumPy.
WEAK: Mapping[type, complex] = {bool: 1.0, int: 1.0, float: 1.0, complex: 1j}


class Given(NamedTuple):
    """What is to be known of an array beforehand."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    type: type


class Binding(NamedTuple):
    """What arrays that fit the variables of expressions determine.

    Parameters
    ----------
    variables : tuple of (name, Extent)
        The variables, in the order in which they are read.
    sizes : tuple of (symbol, size)
        What the dimensions measure.
    dtype : dtype
        The dtype of the computation.
    """

    variables: tuple[tuple[str, Extent], ...]
    sizes: tuple[tuple[str, int], ...]
    dtype: np.dtype[Any]


def bind(
    expressions: tuple[Expression, ...], inference: Inference, given: Iterable[Given]
) -> Binding:
    """Return what arrays determine, or say in one sentence what does not fit."""
    return _Check(expressions, inference).binding(given)


class _Check:
    """What is known while arrays are bound, for messages that name expression and variable."""

    def __init__(self, expressions: tuple[Expression, ...], inference: Inference) -> None:
        self.expressions = expressions
        self.inference = inference
        self.measured: dict[str, int] = {}
        self.origins: dict[str, str] = {}

    @property
    def subject(self) -> str:
        """What is evaluated."""
        return ", ".join(map(str, self.expressions))

    def binding(self, given: Iterable[Given]) -> Binding:
        """Return the binding."""
        by_name = {each.name: each for each in given}
        self.names(by_name)
        arrays = {variable: by_name[variable.name] for variable in self.inference.shapes}
        dtype = self.dtype(arrays.values())
        shapes = {variable: array.shape for variable, array in arrays.items()}
        for variable, shape in shapes.items():
            self.measure(variable, shape)
        for variable, shape in shapes.items():
            self.lengths(variable, shape)
        self.solve()
        self.equations()
        self.constants()
        self.batches(shapes)
        variables = tuple((v.name, self.extent(v, shape)) for v, shape in shapes.items())
        return Binding(variables, tuple(self.measured.items()), dtype)

    def names(self, given: Iterable[str]) -> None:
        """Refuse missing and unknown names."""
        wanted = [variable.name for variable in self.inference.shapes]
        for name in wanted:
            if name not in given:
                raise TypeError(f"{self.subject} needs an array for {name}")
        for name in given:
            if name not in wanted:
                listed = ", ".join(wanted) or "nothing"
                raise TypeError(f"{self.subject} has no variable {name}; it takes {listed}")

    def dtype(self, arrays: Iterable[Given]) -> np.dtype[Any]:
        """Return the common dtype: integers count as float64, Python's numbers as nothing."""
        types = [WEAK.get(array.type) or self.floating(array) for array in arrays]
        common = np.result_type(*types) if types else np.float64
        return np.dtype(common)

    def floating(self, array: Given) -> np.dtype[Any]:
        """Return the dtype in which an array is computed with."""
        dtype = np.dtype(np.float64) if array.dtype.kind in {"b", "i", "u"} else array.dtype
        if dtype.name not in SUPPORTED:
            raise TypeError(
                f"{self.subject}: {array.name} has dtype {dtype}; "
                f"supported are {', '.join(SUPPORTED)}, integers and bool"
            )
        return dtype

    def measure(self, variable: Variable, shape: tuple[int, ...]) -> None:
        """Note the sizes of the dimensions that an array shows by themselves."""
        if len(shape) < CORE_AXES[variable.declared]:
            self.refuse(variable, shape)
        for dimension, size in self.axes(variable, shape):
            if len(dimension.symbols) == 1 and dimension.coefficient == 1:
                symbol = dimension.symbols[0]
                if symbol not in self.measured:
                    self.measured[symbol], self.origins[symbol] = size, variable.name

    def lengths(self, variable: Variable, shape: tuple[int, ...]) -> None:
        """Refuse an array whose axes are not as long as its dimensions."""
        for dimension, size in self.axes(variable, shape):
            if self.is_measured(dimension) and dimension.value(self.measured) != size:
                self.refuse(variable, shape)

    def axes(self, variable: Variable, shape: tuple[int, ...]) -> Iterator[tuple[Dimension, int]]:
        """Yield the dimensions of a variable with the lengths of its array's last axes."""
        dimensions = variable.declared.visible(self.inference.shapes[variable])
        yield from zip(dimensions, shape[len(shape) - len(dimensions) :], strict=True)

    def is_measured(self, dimension: Dimension) -> bool:
        """Return whether the sizes of all symbols of a dimension are known."""
        return all(symbol in self.measured for symbol in dimension.symbols)

    def refuse(self, variable: Variable, shape: tuple[int, ...]) -> NoReturn:
        """Raise the error of an array that has another shape than its variable."""
        dimensions = variable.declared.visible(self.inference.shapes[variable])
        wanted = ", ".join(["...", *map(str, dimensions)])
        symbols = dict.fromkeys(symbol for each in dimensions for symbol in each.symbols)
        known = [
            f"{symbol} = {self.measured[symbol]} as in {self.origins[symbol]}"
            for symbol in symbols
            if self.origins.get(symbol, variable.name) != variable.name
        ]
        condition = " where " + " and ".join(known) if known else ""
        raise ValueError(
            f"{self.subject} needs {variable.name} of shape ({wanted}){condition}; got {shape}"
        )

    def solve(self) -> None:
        """Note the sizes that equations tell: p in m*n = k*p where all others are known."""
        known = -1
        while len(self.measured) > known:
            known = len(self.measured)
            for sides in self.inference.equations:
                for side, other in (sides, sides[::-1]):
                    unknown = [symbol for symbol in side.symbols if symbol not in self.measured]
                    if len(unknown) == 1 and self.is_measured(other):
                        factor = side.value(self.measured | {unknown[0]: 1})
                        if factor and other.value(self.measured) % factor == 0:
                            self.measured[unknown[0]] = other.value(self.measured) // factor

    def equations(self) -> None:
        """Refuse sizes for which products of dimensions differ that must be equal."""
        for sides in self.inference.equations:
            if all(map(self.is_measured, sides)):
                first, second = (side.value(self.measured) for side in sides)
                if first != second:
                    raise ValueError(
                        f"{self.subject} needs {sides[0]} = {sides[1]}; got {first} and {second}"
                    )

    def constants(self) -> None:
        """Refuse constants whose size no array shows."""
        for constant in self.inference.constants:
            if not all(map(self.is_measured, constant.dimensions)):
                raise ValueError(f"{self.subject}: no array shows the size of {constant}")

    def batches(self, shapes: Mapping[Variable, tuple[int, ...]]) -> None:
        """Refuse batches that do not broadcast."""
        batches = {variable.name: _batch(variable, shape) for variable, shape in shapes.items()}
        try:
            np.broadcast_shapes(*batches.values())
        except ValueError:
            listed = ", ".join(f"{shape} of {name}" for name, shape in batches.items())
            raise ValueError(f"{self.subject}: the batches do not broadcast: {listed}") from None

    def extent(self, variable: Variable, shape: tuple[int, ...]) -> Extent:
        """Return rows and columns, and whether there is a batch."""
        rows, columns = self.inference.shapes[variable]
        batched = prod(_batch(variable, shape)) > 1
        return Extent(rows.value(self.measured), columns.value(self.measured), batched)


def _batch(variable: Variable, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[: len(shape) - CORE_AXES[variable.declared]]
