"""The judge of evaluation: an expression's value for one matrix each, node by node, in NumPy.

It knows no programs and no batches: every node is computed as it is written.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special
from numpy.typing import NDArray

from matgrad.expression.dimension import Kind
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import (
    Call,
    Constant,
    ElementwisePower,
    ElementwiseProduct,
    ElementwiseQuotient,
    Negation,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    Variable,
    number_of,
)

Array = NDArray[Any]


def adjugate(A: Array) -> Array:
    """Return the matrix of cofactors, transposed."""
    n = len(A)
    C = np.empty_like(A)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(A, i, 0), j, 1)
            C[j, i] = (-1) ** (i + j) * np.linalg.det(minor)
    return C


def diagonal(A: Array) -> Array:
    """Return diag of the language."""
    return np.diag(A.ravel()) if 1 in A.shape else np.diag(A)[:, None]


def number(value: Any) -> Array:
    """Return a number as a 1 x 1 matrix."""
    return np.array([[value]])


FUNCTIONS: Mapping[str, Callable[..., Array]] = {
    "tr": lambda A: number(np.trace(A)),
    "det": lambda A: number(np.linalg.det(A)),
    "logdet": lambda A: number(np.log(np.abs(np.linalg.det(A)))),
    "inv": np.linalg.inv,
    "adj": adjugate,
    "expm": scipy.linalg.expm,
    "sinm": scipy.linalg.sinm,
    "cosm": scipy.linalg.cosm,
    "conj": np.conj,
    "norm": lambda A: number(np.linalg.norm(A)),
    "norm1": lambda A: number(np.abs(A).sum()),
    "sum": lambda A: number(A.sum()),
    "diag": diagonal,
    "kron": np.kron,
    "vec": lambda A: A.T.reshape(-1, 1),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "abs": np.abs,
    "sign": np.sign,
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.maximum(x, 0),
}


class Judge:
    """Evaluates, and remembers the largest number on the way, by which errors are measured."""

    def __init__(self, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
        self.arrays = arrays
        self.sizes = sizes
        self.largest = 1.0

    def value(self, node: Expression) -> Array:
        """Return rows and columns of a value."""
        value = np.asarray(self.compute(node), dtype=float)
        if value.size:
            self.largest = max(self.largest, float(np.max(np.abs(value))))
        return value

    def compute(self, node: Expression) -> Array:
        """Return the value of a node from those of its children."""
        if isinstance(node, Constant):
            return self.constant(node)
        if isinstance(node, Variable):
            array = self.arrays[node.name]
            return array.reshape(-1, 1) if array.ndim < 2 else array
        values = [self.value(child) for child in node.children]
        match node:
            case Number(value):
                return number(value)
            case Sum():
                return sum(values[1:], values[0])
            case Negation():
                return -values[0]
            case Product():
                return reduce(times, values)
            case Quotient() | ElementwiseQuotient():
                return values[0] / values[1]
            case Transpose():
                return values[0].T
            case ElementwiseProduct():
                return reduce(np.multiply, values)
            case ElementwisePower():
                return np.power(*values)
            case Power(base, exponent):
                k = number_of(exponent)
                if base.kind is Kind.SCALAR or k is None:
                    return np.power(*values)
                self.distrust(values[0])
                return np.linalg.matrix_power(values[0], int(k))
            case Call(function):
                if function in ("inv", "logdet"):
                    self.distrust(values[0])
                return FUNCTIONS[function](*values)
        raise TypeError(node)

    def distrust(self, A: Array) -> None:
        """Note by how much errors in a matrix may grow in its inverse."""
        if np.all(np.isfinite(A)):
            self.largest = max(self.largest, float(np.linalg.cond(A)))

    def constant(self, node: Constant) -> Array:
        """Return a constant, whose dimensions must be written out."""
        sizes = [dimension.value(self.sizes) for dimension in node.dimensions]
        if node.name == "I":
            return np.eye(sizes[0])
        return np.full((*sizes, 1)[:2], float(node.name == "ones"))


def times(A: Array, B: Array) -> Array:
    """Return the product of the language."""
    return np.asarray(A * B if A.size == 1 or B.size == 1 else A @ B)
