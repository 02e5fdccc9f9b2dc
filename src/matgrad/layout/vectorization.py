"""Matrices as vectors: vec, vech, and the matrices that commute, duplicate, eliminate entries.

References
----------
J. R. Magnus and H. Neudecker, Matrix Differential Calculus with Applications in Statistics and
Econometrics, Wiley; The elimination matrix: some lemmas and applications, SIAM Journal on Algebraic
Discrete Methods 1 (1980) 422-449.
"""

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from matgrad.layout.axes import regroup

Order = Literal["column-major", "row-major"]


def vec(X: ArrayLike, *, order: Order = "column-major") -> NDArray[Any]:
    """Return the columns of each matrix of `X` stacked into one vector.

    Parameters
    ----------
    X : array_like, shape (..., m, n)
    order : {"column-major", "row-major"}
        "row-major" stacks the rows: vec(X').

    Returns
    -------
    ndarray, shape (..., mn)
        Entry X_ij is at j m + i (row-major: at i n + j), counted from 0. A copy, unless the memory
        of `X` is in that order.

    Raises
    ------
    ValueError
        If `X` has fewer than two axes, or `order` is unknown.

    Notes
    -----
    vec(AXB) = (B' (x) A) vec X [Matrix Cookbook (520)], tr(A'B) = (vec A)' vec B [(521)].

    Examples
    --------
    >>> from matgrad.layout import vec
    >>> vec([[1, 2, 3], [4, 5, 6]])
    array([1, 4, 2, 5, 3, 6])
    """
    return regroup("vec", X, ("i", "j"), (_packed("vec", order),))


def unvec(v: ArrayLike, shape: tuple[int, int], *, order: Order = "column-major") -> NDArray[Any]:
    """Return the matrices of shape `shape` whose `vec` is `v`: the inverse of `vec`.

    Parameters
    ----------
    v : array_like, shape (..., mn)
    shape : (int, int)
        Rows m and columns n of one matrix.
    order : {"column-major", "row-major"}
        As in `vec`.

    Returns
    -------
    ndarray, shape (..., m, n)
        A view of `v`, never a copy.

    Raises
    ------
    ValueError
        If the last axis of `v` is not of length mn, or `order` is unknown.

    Examples
    --------
    >>> from matgrad.layout import unvec
    >>> unvec([1, 4, 2, 5, 3, 6], (2, 3))
    array([[1, 2, 3],
           [4, 5, 6]])
    """
    if len(shape) != 2:
        raise ValueError(f"unvec expects shape=(rows, columns); got shape={shape}")
    sizes = dict(zip("ij", shape, strict=True))
    return regroup("unvec", v, (_packed("unvec", order),), ("i", "j"), sizes)


def vech(X: ArrayLike) -> NDArray[Any]:
    """Return the columns of each lower triangle of `X`, diagonal included, stacked into a vector.

    These are the free entries of a symmetric matrix.

    Parameters
    ----------
    X : array_like, shape (..., n, n)
        What is above the diagonal is not read.

    Returns
    -------
    ndarray, shape (..., n(n+1)/2)
        A copy: X_00, X_10, X_20, ..., X_11, X_21, ...

    Raises
    ------
    ValueError
        If the matrices are not square.

    Examples
    --------
    >>> from matgrad.layout import vech
    >>> vech([[1, 2, 3], [2, 4, 5], [3, 5, 6]])
    array([1, 2, 3, 4, 5, 6])
    """
    X = np.asarray(X)
    if X.ndim < 2 or X.shape[-1] != X.shape[-2]:
        raise ValueError(f"vech needs square matrices; got shape {X.shape}")
    rows, columns = _lower_triangle(X.shape[-1])
    return X[..., rows, columns]


def unvech(v: ArrayLike) -> NDArray[Any]:
    """Return the symmetric matrices whose `vech` is `v`.

    Parameters
    ----------
    v : array_like, shape (..., n(n+1)/2)

    Returns
    -------
    ndarray, shape (..., n, n)

    Raises
    ------
    ValueError
        If the length of the last axis is not n(n+1)/2 for any n.

    Examples
    --------
    >>> from matgrad.layout import unvech
    >>> unvech([1, 2, 3, 4, 5, 6])
    array([[1, 2, 3],
           [2, 4, 5],
           [3, 5, 6]])
    """
    v = np.asarray(v)
    n = (math.isqrt(8 * v.shape[-1] + 1) - 1) // 2 if v.ndim else 0
    if v.shape[-1:] != (n * (n + 1) // 2,):
        raise ValueError(f"unvech needs vectors of length n(n+1)/2; got shape {v.shape}")
    rows, columns = _lower_triangle(n)
    X = np.empty((*v.shape[:-1], n, n), v.dtype)
    X[..., rows, columns] = v
    X[..., columns, rows] = v
    return X


def commutation_matrix(m: int, n: int, *, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return the permutation K_mn with K_mn vec X = vec X' for every m x n matrix X.

    Parameters
    ----------
    m, n : int
        Rows and columns of X.
    dtype : dtype, optional

    Returns
    -------
    ndarray, shape (mn, mn)
        Dense, (mn)^2 entries; ``vec(X.mT)`` applies it without forming it.

    Raises
    ------
    ValueError
        If m or n is negative.

    Notes
    -----
    K_mn' = K_mn^-1 = K_nm, and K_pm (A (x) B) = (B (x) A) K_qn for A m x n, B p x q [Magnus and
    Neudecker, chapter 3, section 7].

    Examples
    --------
    >>> from matgrad.layout import commutation_matrix
    >>> commutation_matrix(2, 2, dtype=int)
    array([[1, 0, 0, 0],
           [0, 0, 1, 0],
           [0, 1, 0, 0],
           [0, 0, 0, 1]])
    """
    _require_dimensions("commutation_matrix", m, n)
    numbers = unvec(np.arange(m * n), (m, n))
    return _selection(vec(numbers.T), m * n, dtype)


def duplication_matrix(n: int, *, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return the matrix D_n with D_n vech S = vec S for every symmetric n x n matrix S.

    Parameters
    ----------
    n : int
    dtype : dtype, optional

    Returns
    -------
    ndarray, shape (n^2, n(n+1)/2)
        Dense; ``vec(unvech(v))`` applies it without forming it.

    Raises
    ------
    ValueError
        If n is negative.

    Notes
    -----
    By the chain rule (df/dvec S) D_n is the derivative in the free entries of S: the convention
    that matgrad calls `free`. D_n has full column rank, K_nn D_n = D_n [Magnus and Neudecker,
    chapter 3, section 8].

    Examples
    --------
    >>> from matgrad.layout import duplication_matrix
    >>> duplication_matrix(2, dtype=int)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 0],
           [0, 0, 1]])
    """
    _require_dimensions("duplication_matrix", n)
    free = n * (n + 1) // 2
    return _selection(vec(unvech(np.arange(free))), free, dtype)


def elimination_matrix(n: int, *, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return the matrix L_n with L_n vec X = vech X for every n x n matrix X.

    Parameters
    ----------
    n : int
    dtype : dtype, optional

    Returns
    -------
    ndarray, shape (n(n+1)/2, n^2)
        Dense; ``vech(X)`` applies it without forming it.

    Raises
    ------
    ValueError
        If n is negative.

    Notes
    -----
    L_n D_n = I: it undoes the duplication matrix [Magnus and Neudecker (1980)].

    Examples
    --------
    >>> from matgrad.layout import elimination_matrix
    >>> elimination_matrix(2, dtype=int)
    array([[1, 0, 0, 0],
           [0, 1, 0, 0],
           [0, 0, 0, 1]])
    """
    _require_dimensions("elimination_matrix", n)
    return _selection(vech(unvec(np.arange(n * n), (n, n))), n * n, dtype)


def _packed(caller: str, order: str) -> str:
    """Return the indices of X_ij in the order of its vec, the slowest first."""
    if order not in get_args(Order):
        known = " or ".join(map(repr, get_args(Order)))
        raise ValueError(f"{caller} expects order {known}; got {order!r}")
    return "ji" if order == "column-major" else "ij"


def _lower_triangle(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and the columns of the lower triangle, column by column."""
    columns, rows = np.triu_indices(n)
    return rows, columns


def _require_dimensions(caller: str, *dimensions: int) -> None:
    if min(dimensions) < 0:
        got = ", ".join(map(str, dimensions))
        raise ValueError(f"{caller} needs dimensions that are not negative; got {got}")


def _selection(chosen: NDArray[Any], width: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return the matrix whose product with a vector v of length `width` is v[chosen].

    Each law K vec X = vec X', D vech S = vec S, L vec X = vech X holds for the matrix whose
    entries are their own numbers; there its right-hand side says which entry each row selects.
    """
    matrix = np.zeros((chosen.size, width), dtype)
    matrix[np.arange(chosen.size), chosen] = 1
    return matrix
