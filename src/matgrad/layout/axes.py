"""Axes as groups of indices: the one engine under every conversion.

The axes of an array are written as a tuple of groups, one group of one-letter indices an axis:

=================  ==========================================================
``("i", "k")``     two axes, as in the Jacobian of a vector
``("", "k")``      an axis of length 1, then k: a row
``("ji", "lk")``   two axes, each a vec: of i and j in it, i runs faster
=================  ==========================================================
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Axes: TypeAlias = tuple[str, ...]
Sizes: TypeAlias = dict[str, int]


def regroup(
    caller: str, D: ArrayLike, source: Axes, target: Axes, sizes: Sizes | None = None
) -> NDArray[Any]:
    """Return `D` with the indices of its last axes regrouped from `source` to `target`.

    A view where no axes are merged: splitting an axis and permuting axes never copy, nor does an
    axis of length 1. Only NumPy functions that dispatch are called, so that a Dask array stays one.

    Parameters
    ----------
    caller : str
        Who asks: the subject of the error messages.
    D : array_like
        Batch axes, then the axes `source`.
    source, target : tuple of str
        The same indices in either.
    sizes : dict, optional
        The length of each index of a group that is split; of others too, to have them checked.

    Raises
    ------
    ValueError
        If `D` does not have the axes `source` with these sizes.
    """
    shape = np.shape(D)
    if len(shape) < len(source):
        axes = "1 axis" if len(source) == 1 else f"{len(source)} axes"
        raise ValueError(f"{caller} expects at least {axes}; got shape {shape}")
    leading = len(shape) - len(source)
    batch, sizes = shape[:leading], _measure(caller, shape[leading:], source, sizes or {})
    if source == target:
        return np.reshape(D, shape)
    indices = "".join(source)
    split = np.reshape(D, (*batch, *(sizes[index] for index in indices)))
    order = (leading + indices.index(index) for index in "".join(target))
    permuted = np.transpose(split, (*range(leading), *order))
    return np.reshape(permuted, (*batch, *(_length(group, sizes) for group in target)))


def _measure(caller: str, shape: tuple[int, ...], axes: Axes, given: Sizes) -> Sizes:
    """Return the length of every index: given, or that of the axis it has for itself."""
    sizes = {group: n for group, n in zip(axes, shape, strict=True) if len(group) == 1} | given
    expected = tuple(
        _length(group, sizes) if sizes.keys() >= set(group) else n
        for group, n in zip(axes, shape, strict=True)
    )
    if shape != expected:
        raise ValueError(f"{caller} expects the last axes {expected}; got {shape}")
    return sizes


def _length(group: str, sizes: Sizes) -> int:
    return math.prod(sizes[index] for index in group)
