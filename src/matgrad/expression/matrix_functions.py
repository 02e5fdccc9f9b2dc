"""Functions of square matrices by power series: exponential, sine and cosine, in batches.

The exponential is the [13/13] Pade approximant of a matrix scaled by a power of two, squared as
often as it was halved (N. J. Higham, "The scaling and squaring method for the matrix exponential
revisited", SIAM J. Matrix Anal. Appl. 26 (2005) 1179-1193). Rejected: SciPy's expm, which a plain
installation lacks; sine and cosine from exp(iX), which cost half as much as the real exponential
taken here, but lose a complex step's tiny imaginary part.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The coefficients of the numerator, by rising power, and the largest 1-norm for which the
# approximant is exact to rounding in float64 (Higham, tables 2.2 and 2.3).
PADE = (
    *(64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0),
    *(129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0),
    *(40840800.0, 960960.0, 16380.0, 182.0, 1.0),
)
LARGEST_NORM = 5.371920351148152


def expm(X: Array) -> Array:
    """Return the exponential of every matrix in a batch; NaN for one that is not finite.

    Examples
    --------
    >>> expm(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])
    """
    finite = np.isfinite(X).all(axis=(-2, -1), keepdims=True)
    A = np.where(finite, X, 0).astype(np.result_type(X, np.float64), copy=False)
    halvings = _halvings(A)
    result = _approximant(A * np.exp2(-halvings))
    for done in range(int(halvings.max(initial=0))):
        result = np.where(halvings > done, result @ result, result)
    return np.asarray(np.where(finite, result, np.nan)).astype(X.dtype, copy=False)


def sinm(X: Array) -> Array:
    """Return the sine of every matrix in a batch.

    Examples
    --------
    >>> np.allclose(sinm(np.diag([0.0, 1.0])), np.diag(np.sin([0.0, 1.0])))
    True
    """
    return _cosine_and_sine(X)[1]


def cosm(X: Array) -> Array:
    """Return the cosine of every matrix in a batch.

    Examples
    --------
    >>> np.allclose(cosm(np.diag([0.0, 1.0])), np.diag(np.cos([0.0, 1.0])))
    True
    """
    return _cosine_and_sine(X)[0]


def _cosine_and_sine(X: Array) -> tuple[Array, Array]:
    """Return the upper blocks of exp([[0, X], [-X, 0]]) = [[cos X, sin X], [-sin X, cos X]]."""
    n = X.shape[-1]
    turned = np.zeros((*X.shape[:-2], 2 * n, 2 * n), X.dtype)
    turned[..., :n, n:] = X
    turned[..., n:, :n] = -X
    both = expm(turned)
    return both[..., :n, :n].copy(), both[..., :n, n:].copy()


def _halvings(A: Array) -> Array:
    """Return how often each matrix is to be halved, with two axes of length 1."""
    norms = np.abs(A).sum(axis=-2, keepdims=True).max(axis=-1, keepdims=True, initial=0)
    return np.asarray(np.ceil(np.log2(np.maximum(norms / LARGEST_NORM, 1))))


def _approximant(A: Array) -> Array:
    """Return r(A) = (V - U)^-1 (V + U), where U has the odd and V the even powers."""
    b, one = PADE, np.eye(A.shape[-1])
    A2 = A @ A
    A4 = A2 @ A2
    A6 = A4 @ A2
    U = A @ (
        A6 @ (b[13] * A6 + b[11] * A4 + b[9] * A2) + b[7] * A6 + b[5] * A4 + b[3] * A2 + b[1] * one
    )
    V = A6 @ (b[12] * A6 + b[10] * A4 + b[8] * A2) + b[6] * A6 + b[4] * A4 + b[2] * A2 + b[0] * one
    return np.asarray(np.linalg.solve(V - U, V + U))
