"""The second derivative of det, right at singular matrices: no inverse, no division.

det has the gradient adj(X)'. With X = U S V' its derivative along E is, F = U'EV,

    D adj(X)'[E] = det(U) det(V) U M V',    M_ii = Σ_k P_ik F_kk,    M_ij = -P_ij F_ji,

where P_ij is the product of all singular values but the i-th and the j-th (P_ii = 0): the second
derivative of det(S + F), whose entries at a diagonal S are products of the others. The usual form
(tr(inv(X) E) I - inv(X)' E') adj(X)' divides by det(X) and is NaN where that is zero.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[Any]


def hessian_product(X: ArrayLike, E: ArrayLike) -> Array:
    """Return the derivative of adj(X)', the gradient of det, in the direction E.

    Parameters
    ----------
    X, E : array_like, shape (..., n, n)
        Real matrices; their batches broadcast.

    Returns
    -------
    ndarray, shape (..., n, n)
        The product of the Hessian of det and E; NaN where X is not finite. As an operator on E it
        is its own transpose.

    Notes
    -----
    A singular value decomposition of each X, O(n³). The error is relative to the n - 2 largest
    singular values' product, not to each entry; where such a product overflows there may be NaN.

    Examples
    --------
    >>> from matgrad.cofactors import hessian_product
    >>> hessian_product([[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 3.0]]).round(12) + 0.0
    array([[3., 0.],
           [0., 1.]])
    """
    X, E = np.asarray(X), np.asarray(E)
    finite = np.isfinite(X).all(axis=(-2, -1))[..., None, None]
    U, s, Vt = np.linalg.svd(np.where(finite, X, 0))
    F = U.mT @ E @ Vt.mT
    P = _products_without_two(s)
    M = -P * F.mT
    n = s.shape[-1]
    M[..., range(n), range(n)] = np.vecdot(P, np.diagonal(F, 0, -2, -1)[..., None, :])
    sign = np.rint(np.linalg.det(U) * np.linalg.det(Vt))[..., None, None]
    product: Array = np.where(finite, sign * (U @ M @ Vt), np.nan)
    return product.astype(M.dtype, copy=False)


def _products_without_two(s: Array) -> Array:
    """Return P_ij, the product of all s but the i-th and the j-th; O(n²), exponents apart."""
    exponents = _exponents(s)
    mantissas = np.ldexp(s, -exponents)
    n = s.shape[-1]
    P = np.zeros((*s.shape, n), s.dtype)
    before = np.ones(s.shape[:-1], s.dtype)
    after = np.ones_like(s)
    after[..., :-1] = np.cumprod(mantissas[..., :0:-1], axis=-1)[..., ::-1]
    for i in range(n - 1):
        between = np.ones_like(s[..., i + 1 :])
        between[..., 1:] = np.cumprod(mantissas[..., i + 1 : -1], axis=-1)
        P[..., i, i + 1 :] = before[..., None] * between * after[..., i + 1 :]
        before = before * mantissas[..., i]
    others = exponents.sum(-1)[..., None, None] - exponents[..., None] - exponents[..., None, :]
    upper: Array = np.ldexp(P, others)
    return upper + upper.mT


def _exponents(s: Array) -> Array:
    """Return exponents without which every product of neighbours in s is between 1/2 and 2.

    Those of frexp would leave numbers below 1, whose products vanish from n = 152 in float32.
    """
    logarithms = np.log2(np.where((s > 0) & (s < np.inf), s, 1))
    running = np.floor(np.cumsum(logarithms, axis=-1, dtype=np.float64))
    return np.diff(running, axis=-1, prepend=0).astype(np.intc)
