"""The derivatives of the kernels, written once for every framework of automatic differentiation.

A rule says of a function at a point what cotangents g of its results are for its arguments (`pull`,
backward mode), and what tangents d of its arguments are for its results (`push`, forward mode).
None stands for zero. Arrays are those of the framework, and what is not an operator or a method of
them comes by `Functions`, so that derivatives can be differentiated again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from matgrad import linalg
from matgrad.adapters.signature import Fit, Signature
from matgrad.cofactors import hessian_product

Tensor: TypeAlias = Any
Tensors: TypeAlias = Sequence[Any]


@dataclass(frozen=True, eq=False)
class Functions:
    """What rules need of a framework: an identity like a matrix, and differentiable functions."""

    eye: Callable[[Tensor], Tensor]
    inv: Callable[[Tensor], Tensor]
    adjugate: Callable[[Tensor], Tensor]
    hessian_product: Callable[[Tensor, Tensor], Tensor]
    derivative: Any = None  # of an oracle: its gradient or Jacobian, as a function of x


class Rule(Protocol):
    """The derivative of a function; see the module."""

    def pull(
        self, of: Functions, inputs: Tensors, results: Tensors, g: Tensors, wanted: Sequence[bool]
    ) -> Tensors:
        """Return the cotangents of the arguments that are wanted."""

    def push(self, of: Functions, inputs: Tensors, results: Tensors, d: Tensors) -> Tensors:
        """Return the tangents of the results."""


@dataclass(frozen=True, eq=False)
class Differentiable:
    """A function of NumPy arrays, what it says of their shapes, and its rule.

    ``with_gradient`` computes the same and, last, the gradient from the same factorisation.
    """

    name: str
    function: Callable[..., Any]
    fit: Callable[..., Fit]
    rule: Rule
    with_gradient: "Differentiable | None" = None


@dataclass(frozen=True)
class ByGradients:
    """A scalar, with a gradient by each argument; other results, such as a sign, are constant."""

    gradients: tuple[Callable[..., Tensor], ...]
    place: int = 0
    axes: int = 2  # of each argument, without its batch

    def pull(
        self, of: Functions, inputs: Tensors, results: Tensors, g: Tensors, wanted: Sequence[bool]
    ) -> Tensors:
        """Return g G for each argument."""
        if g[self.place] is None:
            return [None] * len(inputs)
        outer = g[self.place].reshape(*g[self.place].shape, *(1,) * self.axes)
        pairs = zip(self.gradients, wanted, strict=True)
        return [outer * G(of, *inputs) if want else None for G, want in pairs]

    def push(self, of: Functions, inputs: Tensors, results: Tensors, d: Tensors) -> Tensors:
        """Return the sum of all <G, dX>."""
        pairs = zip(self.gradients, d, strict=True)
        total = sum(self._inner(G(of, *inputs), dX) for G, dX in pairs if dX is not None)
        found: list[Tensor] = [None] * len(results)
        found[self.place] = total
        return found

    def _inner(self, G: Tensor, dX: Tensor) -> Tensor:
        return (G * dX).sum(tuple(range(-self.axes, 0)))


@dataclass(frozen=True)
class WithGradient:
    """A scalar of X and, last, its gradient G; hessian(of, X, G, E) is DG(X)[E]."""

    hessian: Callable[..., Tensor]
    axes: int = 2

    def pull(
        self, of: Functions, inputs: Tensors, results: Tensors, g: Tensors, wanted: Sequence[bool]
    ) -> Tensors:
        """Return g G + DG[H], for DG is its own transpose."""
        G, H = results[-1], g[-1]
        terms = self._by_value(G).pull(of, inputs, results, g, wanted) if g[-2] is not None else []
        if H is not None:
            terms = [*terms, self.hessian(of, inputs[0], G, H)]
        return [sum(terms) if terms else None]

    def push(self, of: Functions, inputs: Tensors, results: Tensors, d: Tensors) -> Tensors:
        """Return <G, dX> and DG[dX]."""
        G = results[-1]
        tangents = self._by_value(G).push(of, inputs, results, d)
        return [*tangents[:-1], self.hessian(of, inputs[0], G, d[0])]

    def _by_value(self, G: Tensor) -> ByGradients:
        return ByGradients((lambda of, X: G,), -2, self.axes)


@dataclass(frozen=True)
class OfMatrix:
    """A matrix F(X) with F(X') = F(X)'; transposed(of, X, F, H) is the transpose of DF(X) on H."""

    transposed: Callable[..., Tensor]

    def pull(
        self, of: Functions, inputs: Tensors, results: Tensors, g: Tensors, wanted: Sequence[bool]
    ) -> Tensors:
        """Return the transpose of DF on H."""
        return [self.transposed(of, inputs[0], results[0], g[0])]

    def push(self, of: Functions, inputs: Tensors, results: Tensors, d: Tensors) -> Tensors:
        """Return DF[dX], which by F(X') = F(X)' is the transpose of DF on dX', transposed."""
        return [self.transposed(of, inputs[0], results[0], d[0].mT).mT]


@dataclass(frozen=True)
class Symmetric:
    """A symmetric operator on its last argument, which depends on the first; of that no more."""

    name: str
    product: Callable[..., Tensor]

    def pull(
        self, of: Functions, inputs: Tensors, results: Tensors, g: Tensors, wanted: Sequence[bool]
    ) -> Tensors:
        """Return the product with the cotangent."""
        if wanted[0]:
            self._refuse()
        return [None, self.product(of, inputs[0], g[0])]

    def push(self, of: Functions, inputs: Tensors, results: Tensors, d: Tensors) -> Tensors:
        """Return the product with the tangent."""
        if d[0] is not None:
            self._refuse()
        return [self.product(of, inputs[0], d[1])]

    def _refuse(self) -> None:
        raise NotImplementedError(f"there is no derivative of {self.name}")


def _kernel(name: str, rule: Rule, with_gradient: Differentiable | None = None) -> Differentiable:
    kernel = getattr(linalg, name)
    return Differentiable(name, kernel, Signature(name, kernel.signature).fit, rule, with_gradient)


TRACE = _kernel("trace", ByGradients((lambda of, X: of.eye(X),)))
TRACE_PRODUCT = _kernel(
    "trace_product", ByGradients((lambda of, A, X: X.mT, lambda of, A, X: A.mT))
)
QUADRATIC_TRACE = _kernel(
    "quadratic_trace",
    ByGradients(
        (
            lambda of, X, A, Q: Q.mT @ X @ A.mT + Q @ X @ A,
            lambda of, X, A, Q: X.mT @ Q.mT @ X,
            lambda of, X, A, Q: X @ A.mT @ X.mT,
        )
    ),
)
DET_AND_GRADIENT = _kernel(
    "det_and_gradient", WithGradient(lambda of, X, G, E: of.hessian_product(X, E))
)
DET = _kernel("det", ByGradients((lambda of, X: of.adjugate(X).mT,)), DET_AND_GRADIENT)
SLOGDET_AND_GRADIENT = _kernel(
    "slogdet_and_gradient", WithGradient(lambda of, X, G, E: -G @ E.mT @ G)
)
SLOGDET = _kernel(
    "slogdet", ByGradients((lambda of, X: of.inv(X).mT,), place=1), SLOGDET_AND_GRADIENT
)
INV = _kernel("inv", OfMatrix(lambda of, X, Y, H: -Y.mT @ H @ Y.mT))
ADJUGATE = _kernel("adjugate", OfMatrix(lambda of, X, Y, H: of.hessian_product(X, H.mT)))
SECOND = "the second derivative of det"
HESSIAN_OF_DET = Differentiable(
    SECOND,
    hessian_product,
    Signature(SECOND, "(n,n),(n,n)->(n,n)").fit,
    Symmetric(SECOND, lambda of, X, E: of.hessian_product(X, E)),
)
