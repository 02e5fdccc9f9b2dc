"""Oracles as functions of a flat x that frameworks of automatic differentiation differentiate."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.adapters.rules import (
    ByGradients,
    Differentiable,
    Functions,
    Symmetric,
    Tensors,
    WithGradient,
)
from matgrad.adapters.signature import Fit, Lengths

if TYPE_CHECKING:
    from matgrad.oracle import Oracle

Array: TypeAlias = NDArray[Any]


class Parts(NamedTuple):
    """An oracle's value or residuals, with its derivative, and the product with its Hessian."""

    value: Differentiable
    derivative: Differentiable
    product: Differentiable


def parts_of(oracle: "Oracle") -> Parts:
    """Return an oracle as functions of a flat x; the derivative is the last result of its own."""
    parts = _of_scalar(oracle) if oracle.is_scalar else _of_residuals(oracle)
    return Parts(*parts, _hessian(oracle))


def flat(oracle: "Oracle", shape: Lengths) -> Lengths:
    """Return the shape of an x with flat vectors behind its batch."""
    _, core = oracle.axes(shape)
    return (*shape[: len(shape) - len(core)], prod(core))


def count_of(oracle: "Oracle", size: int) -> int:
    """Return how many residuals an oracle has; at no x, since any may be outside their domain."""
    batch, _ = oracle.axes((size,))
    none = np.zeros((0, *(1,) * len(batch), size))
    return int(oracle.with_constants().residual(none).shape[-1])


@dataclass(frozen=True)
class ByJacobian:
    """Residuals of x, with a Jacobian."""

    def pull(
        self, of: Functions, inputs: Tensors, results: Tensors, g: Tensors, wanted: Sequence[bool]
    ) -> Tensors:
        """Return J'g."""
        return [(g[0][..., None, :] @ of.derivative(*inputs))[..., 0, :]]

    def push(self, of: Functions, inputs: Tensors, results: Tensors, d: Tensors) -> Tensors:
        """Return J dx."""
        return [(of.derivative(*inputs) @ d[0][..., None])[..., 0]]


@dataclass(frozen=True)
class Constant:
    """What has no derivative."""

    name: str

    def pull(
        self, of: Functions, inputs: Tensors, results: Tensors, g: Tensors, wanted: Sequence[bool]
    ) -> Tensors:
        """Refuse."""
        return self.push(of, inputs, results, [])

    def push(self, of: Functions, inputs: Tensors, results: Tensors, d: Tensors) -> Tensors:
        """Refuse."""
        raise NotImplementedError(f"there is no derivative of {self.name}")


def _of_scalar(oracle: "Oracle") -> tuple[Differentiable, Differentiable]:
    def value(x: Array) -> Array:
        return np.asarray(oracle.value(x), x.dtype)

    def value_and_gradient(x: Array) -> tuple[Array, Array]:
        value, gradient = oracle.value_and_gradient(x)
        return np.asarray(value, x.dtype), np.asarray(gradient, x.dtype)

    def fit(shape: Lengths) -> Fit:
        return Fit(oracle.axes(shape)[0], [1], [()])

    def fit_both(shape: Lengths) -> Fit:
        return Fit(oracle.axes(shape)[0], [1], [(), shape[-1:]])

    name = str(oracle.expression)
    rule = WithGradient(lambda of, x, G, p: of.hessian_product(x, p), axes=1)
    both = Differentiable(name, value_and_gradient, fit_both, rule)
    by_gradient = ByGradients((lambda of, x: of.derivative(x),), axes=1)
    return Differentiable(name, value, fit, by_gradient, both), both


def _of_residuals(oracle: "Oracle") -> tuple[Differentiable, Differentiable]:
    def residual(x: Array) -> Array:
        return np.asarray(oracle.residual(x), x.dtype)

    def jacobian(x: Array) -> Array:
        return np.asarray(oracle.jacobian(x), x.dtype)

    @lru_cache(1)
    def count(size: int) -> int:
        return count_of(oracle, size)

    def fit(shape: Lengths) -> Fit:
        return Fit(oracle.axes(shape)[0], [1], [(count(shape[-1]),)])

    def fit_jacobian(shape: Lengths) -> Fit:
        return Fit(oracle.axes(shape)[0], [1], [(count(shape[-1]), shape[-1])])

    name = f"the Jacobian of {oracle.expression}"
    derivative = Differentiable(name, jacobian, fit_jacobian, Constant(name))
    return Differentiable(str(oracle.expression), residual, fit, ByJacobian()), derivative


def _hessian(oracle: "Oracle") -> Differentiable:
    def product(x: Array, p: Array) -> Array:
        x, p = np.broadcast_arrays(x, p)
        return np.asarray(oracle.hessp(x, p), x.dtype)

    def fit(*shapes: Lengths) -> Fit:
        batches = [oracle.axes(shape)[0] for shape in shapes]
        return Fit(np.broadcast_shapes(*batches), [1, 1], [shapes[0][-1:]])

    name = f"the second derivative of {oracle.expression}"
    return Differentiable(
        name, product, fit, Symmetric(name, lambda of, x, p: of.hessian_product(x, p))
    )
