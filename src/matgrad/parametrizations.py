"""Coordinates of matrices: a vector of free numbers for an optimizer, with the chain rule.

A parametrization maps coordinates t to a matrix X(t). For f(X(t)) with the gradient G of f in the
Frobenius inner product, and dX the derivative of X in a direction p of coordinates,

    gradient             X'(t)* G
    Hessian product      X'(t)* (H dX) + (X''(t) p)* G

where the star is the adjoint. Leading axes are a batch everywhere.

=================  ===============================================================================
name               X
=================  ===============================================================================
``full``           the entries of X, row by row
``vech``           symmetric: the lower triangle, column by column, as `matgrad.layout.vech`
``scaled-vech``    symmetric: the same, with sqrt(2) times the entries below the diagonal, so that
                   inner products of coordinates are those of matrices
``cholesky``       positive semidefinite: X = LL', the coordinates are vech L
``log-cholesky``   positive definite: the same, with the logarithms of the diagonal of L, so that
                   every vector is a matrix and every matrix has one vector
=================  ===============================================================================

References
----------
J. C. Pinheiro and D. M. Bates, Unconstrained parametrizations for variance-covariance matrices,
Statistics and Computing 6 (1996) 289-296 (Cholesky and log-Cholesky).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad.expression import Kind, Variable
from matgrad.layout import unvech, vech

Array: TypeAlias = NDArray[Any]
Core: TypeAlias = tuple[int, int]


class Full:
    """The entries themselves."""

    def size(self, core: Core) -> int:
        """Return the number of coordinates of a matrix with so many rows and columns."""
        return core[0] * core[1]

    def matrix(self, t: Array, core: Core) -> Array:
        """Return X(t), of shape (..., rows, columns)."""
        return t.reshape(core if t.ndim == 1 else (*t.shape[:-1], *core))

    def coordinates(self, X: Array) -> Array:
        """Return the t of a matrix."""
        return X.reshape(*X.shape[:-2], X.shape[-2] * X.shape[-1])

    def derivative(self, t: Array, p: Array, core: Core) -> Array:
        """Return dX, the derivative of X at t in the direction p."""
        return self.matrix(p, core)

    def gradient(self, t: Array, G: Array) -> Array:
        """Return the gradient in coordinates, always in memory of its own."""
        return G.flatten() if G.ndim == 2 else self.coordinates(G.copy())

    def product(self, t: Array, p: Array, G: Array, dG: Array) -> Array:
        """Return the Hessian product in coordinates, where dG = H dX."""
        return self.gradient(t, dG)


class Symmetrized(Full):
    """The entries of a symmetric matrix: (X + X')/2 is what is computed with."""

    def matrix(self, t: Array, core: Core) -> Array:
        """Return the symmetric part."""
        X = super().matrix(t, core)
        return (X + X.mT) / 2

    def gradient(self, t: Array, G: Array) -> Array:
        """Return the symmetric part of G."""
        return super().gradient(t, (G + G.mT) / 2)


class Vech:
    """The lower triangle of a symmetric matrix; off the diagonal an entry is t / scale."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def size(self, core: Core) -> int:
        """Return n(n+1)/2."""
        return _triangle(core)

    def matrix(self, t: Array, core: Core) -> Array:
        """Return X(t)."""
        return unvech(t / self._weights(core[0], t.dtype))

    def coordinates(self, X: Array) -> Array:
        """Return the t of a symmetric matrix."""
        return vech(X) * self._weights(X.shape[-1], X.dtype)

    def derivative(self, t: Array, p: Array, core: Core) -> Array:
        """Return dX, which does not depend on t."""
        return self.matrix(p, core)

    def gradient(self, t: Array, G: Array) -> Array:
        """Return the gradient: G_ii and (G_ij + G_ji) / scale."""
        both = vech(G + G.mT)
        both[..., _diagonal(G.shape[-1])] /= 2
        both /= self._weights(G.shape[-1], G.dtype)
        return both

    def product(self, t: Array, p: Array, G: Array, dG: Array) -> Array:
        """Return the Hessian product: X is linear in t."""
        return self.gradient(t, dG)

    def _weights(self, n: int, dtype: np.dtype[Any]) -> Array:
        return _weights(n, self.scale).astype(dtype, copy=False)


class Cholesky:
    """The lower triangle L of X = LL': dX = dL L' + L dL', so that the gradient is (G + G')L."""

    def size(self, core: Core) -> int:
        """Return n(n+1)/2."""
        return _triangle(core)

    def matrix(self, t: Array, core: Core) -> Array:
        """Return LL'."""
        L = self._factor(t)
        product: Array = L @ L.mT
        return product

    def coordinates(self, X: Array) -> Array:
        """Return vech L for the Cholesky factor of a matrix."""
        return vech(np.linalg.cholesky(X))

    def derivative(self, t: Array, p: Array, core: Core) -> Array:
        """Return dL L' + L dL'."""
        half: Array = self._moved(t, p) @ self._factor(t).mT
        return half + half.mT

    def gradient(self, t: Array, G: Array) -> Array:
        """Return vech((G + G')L)."""
        return vech((G + G.mT) @ self._factor(t))

    def product(self, t: Array, p: Array, G: Array, dG: Array) -> Array:
        """Return vech((dG + dG')L + (G + G')dL)."""
        return vech((dG + dG.mT) @ self._factor(t) + (G + G.mT) @ self._moved(t, p))

    def _factor(self, t: Array) -> Array:
        return _lower(t)

    def _moved(self, t: Array, p: Array) -> Array:
        """Return dL."""
        return _lower(p)


class LogCholesky(Cholesky):
    """The same with L_ii = exp(t_ii): derivatives by t_ii are those by L_ii times L_ii."""

    def coordinates(self, X: Array) -> Array:
        """Return vech L with the logarithms of the diagonal."""
        t = super().coordinates(X)
        places = _diagonal(X.shape[-1])
        t[..., places] = np.log(t[..., places])
        return t

    def gradient(self, t: Array, G: Array) -> Array:
        """Return the gradient by L, times L_ii on the diagonal."""
        return super().gradient(t, G) * self._scales(t)

    def product(self, t: Array, p: Array, G: Array, dG: Array) -> Array:
        """Return what the product rule gives: the scales move, too."""
        scales = self._scales(t)
        result = super().product(t, p, G, dG) * scales
        places = _diagonal(G.shape[-1])
        result[..., places] += (super().gradient(t, G) * scales * p)[..., places]
        return result

    def _factor(self, t: Array) -> Array:
        return _lower(self._entries(t))

    def _moved(self, t: Array, p: Array) -> Array:
        return _lower(p * self._scales(t))

    def _entries(self, t: Array) -> Array:
        """Return vech L."""
        entries = t.copy()
        places = _diagonal(_order(t))
        entries[..., places] = np.exp(entries[..., places])
        return entries

    def _scales(self, t: Array) -> Array:
        """Return the derivative of vech L by t: L_ii on the diagonal, 1 below it."""
        scales = np.ones_like(t)
        places = _diagonal(_order(t))
        scales[..., places] = np.exp(t[..., places])
        return scales


Parametrization: TypeAlias = Full | Vech | Cholesky

# The structure that a parametrization gives to its matrices.
STRUCTURES: Mapping[str, str] = {
    "vech": "symmetric",
    "scaled-vech": "symmetric",
    "cholesky": "positive_definite",
    "log-cholesky": "positive_definite",
}

PARAMETRIZATIONS: Mapping[str, Parametrization] = {
    "full": Full(),
    "vech": Vech(),
    "scaled-vech": Vech(2**0.5),
    "cholesky": Cholesky(),
    "log-cholesky": LogCholesky(),
}


def by_variable(parametrization: str | Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return the name of a parametrization for each variable, "full" where none is given.

    Raises
    ------
    TypeError
        If it is neither a name nor a mapping.
    ValueError
        If it is for something else than these variables.
    """
    if isinstance(parametrization, str):
        return dict.fromkeys(names, parametrization)
    if not isinstance(parametrization, Mapping):
        known = ", ".join(PARAMETRIZATIONS)
        raise TypeError(
            f"parametrization takes {known} or a mapping of names to them; got {parametrization!r}"
        )
    for name in parametrization:
        if name not in names:
            raise ValueError(f"parametrization takes the names {', '.join(names)}; got {name!r}")
    return {**dict.fromkeys(names, "full"), **parametrization}


def chart_of(name: str, variable: Variable) -> Parametrization:
    """Return the parametrization that a name means for a variable.

    Raises
    ------
    ValueError
        If there is none of this name, or it is for matrices and the variable is none.
    """
    if name not in PARAMETRIZATIONS:
        known = ", ".join(PARAMETRIZATIONS)
        raise ValueError(f"parametrization takes {known}; got {name!r}")
    if name == "full":
        return Symmetrized() if variable.is_symmetric else Full()
    if variable.declared is not Kind.MATRIX:
        raise ValueError(f"{name} is for matrices; {variable.name} is {variable.description}")
    return PARAMETRIZATIONS[name]


def _triangle(core: Core) -> int:
    n, columns = core
    if n != columns:
        raise ValueError(f"a symmetric parametrization needs a square matrix; got {n} x {columns}")
    return n * (n + 1) // 2


def _order(t: Array) -> int:
    """Return the n of n(n+1)/2 coordinates."""
    return (int((8 * t.shape[-1] + 1) ** 0.5) - 1) // 2


def _lower(t: Array) -> Array:
    """Return the lower triangular matrix whose vech is t."""
    return np.tril(unvech(t))


@lru_cache(maxsize=64)
def _diagonal(n: int) -> Array:
    """Return the places of the diagonal in a vech."""
    places = np.cumsum([0, *range(n, 1, -1)]) if n else np.zeros(0, np.intp)
    places.flags.writeable = False
    return places


@lru_cache(maxsize=64)
def _weights(n: int, scale: float) -> Array:
    """Return what the entries of a vech are multiplied by: 1 on the diagonal, a scale below it."""
    weights = np.full(n * (n + 1) // 2, scale)
    weights[_diagonal(n)] = 1
    weights.flags.writeable = False
    return weights
