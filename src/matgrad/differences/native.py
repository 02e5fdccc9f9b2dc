"""Finite differences of the kernels in compiled code, without a call of Python for an entry."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad import linalg
from matgrad._native import kernels

Array = NDArray[Any]

# The kernels and their sweeps, which take the same arguments.
SWEEPS: Mapping[np.ufunc, np.ufunc] = {
    linalg.det: kernels.det_differences,
    linalg.slogdet: kernels.slogdet_differences,
    linalg.trace: kernels.trace_differences,
    linalg.trace_product: kernels.trace_product_differences,
    linalg.quadratic_trace: kernels.quadratic_trace_differences,
}


def central_differences(kernel: np.ufunc, *arguments: ArrayLike, **keywords: Any) -> Array:
    """Measure the gradient of a kernel by finite differences at a batch of matrices.

    Parameters
    ----------
    kernel : numpy.ufunc
        ``matgrad.det``, ``slogdet`` (of log|det X|), ``trace``, ``trace_product`` (by X) or
        ``quadratic_trace`` (by X).
    *arguments : array_like
        What the kernel takes, float32 or float64; batch axes lead and broadcast.
    **keywords
        ``out=``, ``axes=`` and the other keywords of a gufunc.

    Returns
    -------
    ndarray
        The gradient in the shape of X, behind the batch axes.

    Raises
    ------
    ValueError
        If the kernel has no sweep, or shapes do not fit.
    TypeError
        If a dtype is not float32, float64, integer or bool.

    Notes
    -----
    (f(X + h E_ij) - f(X - h E_ij)) / 2h, where h is a power of two no smaller than the entries:
    det, tr X and tr(AX) are affine and tr(XAX'Q) is quadratic in each entry, so the difference has
    no truncation error at any h. That of log|det X| is the difference of det over det. Neither an
    inverse nor a cofactor is used, so that the result judges gradients that are built on these.
    A matrix with a NaN has a gradient of NaN; a singular one that of log|det| NaN.

    Examples
    --------
    >>> import matgrad
    >>> from matgrad.differences import central_differences
    >>> central_differences(matgrad.det, [[1.0, 2.0], [2.0, 4.0]])
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    if kernel not in SWEEPS:
        names = ", ".join(each.__name__ for each in SWEEPS)
        raise ValueError(f"central_differences knows {names}; got {kernel!r}")
    return np.asarray(SWEEPS[kernel](*arguments, **keywords))


def recognised(f: Any, X: Array) -> Array | None:
    """Return the sweep of a kernel of its last argument, the others bound; None for others.

    None also for what the sweep refuses and where the result is not finite: the general path says
    at which point. What is bound must not add to the batch of X.
    """
    kernel: Any = f
    bound: tuple[Any, ...] = ()
    if isinstance(f, partial) and not f.keywords:
        kernel, bound = f.func, f.args
    by_last = any(kernel is each for each in (linalg.det, linalg.trace, linalg.trace_product))
    batch = X.shape[:-2]
    if not by_last or len(bound) != kernel.nin - 1:
        return None
    if X.dtype not in (np.float32, np.float64) or 0 in batch:
        return None
    try:
        if np.broadcast_shapes(batch, *(np.shape(each)[:-2] for each in bound)) != batch:
            return None
        with np.errstate(all="ignore"):
            gradient = central_differences(kernel, *bound, X)
    except (TypeError, ValueError):
        return None
    return gradient if np.isfinite(gradient).all() else None
