"""The functions of the language: one record for each, which all parts of the language read.

A new elementwise function is one record here, and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from matgrad.expression.dimension import ONE, Kind, Shape
from matgrad.expression.elementwise import relu, sigmoid, sign, softplus

# The rows (0) or columns (1) of one of a node's children, which are counted from 0.
Axis: TypeAlias = tuple[int, int]


class Conditions(Protocol):
    """What a node demands of its children's shapes; whoever asks for a shape decides what to do."""

    def same(self, first: Axis, second: Axis) -> None:
        """Demand that two axes have the same dimension."""

    def scalar(self, child: int) -> None:
        """Demand that a child is a scalar."""


ShapeRule: TypeAlias = Callable[[Sequence[Shape], Conditions], Shape]


class Function(NamedTuple):
    """A function by name, with what each part of the language needs to know of it.

    Parameters
    ----------
    name : str
        The name in the grammar.
    shape : callable
        The shape of the result from the shapes of the arguments, and what it demands of them.
    latex, unicode : str
        How it is written; ``#`` stands for the argument.
    elementwise : callable, optional
        For an elementwise function, what computes it: from an array to an array of the same shape.
    arity : int
        The number of arguments.
    """

    name: str
    shape: ShapeRule
    latex: str
    unicode: str
    elementwise: Callable[..., Any] | None = None
    arity: int = 1


def _square_to_scalar(shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    conditions.same((0, 0), (0, 1))
    return ONE, ONE


def _square_to_square(shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    conditions.same((0, 0), (0, 1))
    return shapes[0]


def _any_to_scalar(shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    return ONE, ONE


def _same_shape(shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    return shapes[0]


def _stacked(shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    rows, columns = shapes[0]
    return rows * columns, ONE


def _kronecker(shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    (m, n), (p, q) = shapes
    return m * p, n * q


def _diagonal(shapes: Sequence[Shape], conditions: Conditions) -> Shape:
    """Turn a vector into a diagonal matrix, and a square matrix into the column of its diagonal."""
    rows, columns = shapes[0]
    if Kind.of(shapes[0]) is Kind.MATRIX:
        conditions.same((0, 0), (0, 1))
        return rows, ONE
    return rows * columns, rows * columns


def _named(name: str, shape: ShapeRule, *, arity: int = 1) -> Function:
    return Function(
        name, shape, rf"\operatorname{{{name}}}\left(#\right)", f"{name}(#)", arity=arity
    )


def _elementwise(
    name: str, evaluate: Callable[..., Any], latex: str, unicode: str = ""
) -> Function:
    return Function(name, _same_shape, latex, unicode or f"{name}(#)", evaluate)


_RECORDS = (
    _named("tr", _square_to_scalar),
    Function("det", _square_to_scalar, r"\det\left(#\right)", "det(#)"),
    Function("logdet", _square_to_scalar, r"\log\left|\det\left(#\right)\right|", "log|det(#)|"),
    Function("inv", _square_to_square, r"#^{-1}", "#⁻¹"),
    _named("adj", _square_to_square),
    *(_named(name, _square_to_square) for name in ("expm", "sinm", "cosm")),
    Function("conj", _same_shape, r"\overline{#}", "conj(#)"),
    Function("norm", _any_to_scalar, r"\left\lVert #\right\rVert", "‖#‖"),
    Function("norm1", _any_to_scalar, r"\left\lVert #\right\rVert_1", "‖#‖₁"),
    _named("sum", _any_to_scalar),
    _named("diag", _diagonal),
    Function("kron", _kronecker, r" \otimes ", " ⊗ ", arity=2),
    _named("vec", _stacked),
    _elementwise("exp", np.exp, r"\exp\left(#\right)"),
    _elementwise("log", np.log, r"\log\left(#\right)"),
    _elementwise("sqrt", np.sqrt, r"\sqrt{#}", "√(#)"),
    _elementwise("sin", np.sin, r"\sin\left(#\right)"),
    _elementwise("cos", np.cos, r"\cos\left(#\right)"),
    _elementwise("tan", np.tan, r"\tan\left(#\right)"),
    _elementwise("tanh", np.tanh, r"\tanh\left(#\right)"),
    _elementwise("abs", np.abs, r"\left|#\right|", "|#|"),
    _elementwise("sign", sign, r"\operatorname{sign}\left(#\right)"),
    _elementwise("sigmoid", sigmoid, r"\operatorname{sigmoid}\left(#\right)"),
    _elementwise("softplus", softplus, r"\operatorname{softplus}\left(#\right)"),
    _elementwise("relu", relu, r"\operatorname{relu}\left(#\right)"),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType({record.name: record for record in _RECORDS})
