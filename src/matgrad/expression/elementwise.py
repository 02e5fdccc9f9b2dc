"""Elementwise functions that NumPy lacks, without overflow and without loss of small values.

And sign, which NumPy continues to complex numbers otherwise.

Each takes a real or complex array and keeps its dtype; the formula for complex entries is that for
real ones, continued analytically, the side being chosen by the real part. What over- or underflows
on the way raises none of NumPy's flags, in any dtype.
"""

from typing import Any, TypeAlias

import numpy as np

from matgrad._native import elementwise
from matgrad.expression.silence import silently

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)): 0 where exp(-x) overflows, else accurate also where it is tiny.

    Examples
    --------
    >>> sigmoid(np.array([-800.0, -700.0, 0.0, 700.0]))
    array([0.00000000e+000, 9.85967654e-305, 5.00000000e-001, 1.00000000e+000])
    """
    if x.dtype == np.float64:
        return np.asarray(elementwise.sigmoid(x))
    return np.asarray(silently(_sigmoid, x))


def _sigmoid(x: Array) -> Array:
    if x.dtype.kind == "c":
        tail = _tail(x)
        upper = x.dtype.type(1) / (1 + tail)
        return np.asarray(np.where(x.real <= 0, tail * upper, upper))
    result: Array = np.negative(x)
    np.exp(result, out=result)
    result += 1
    np.reciprocal(result, out=result)
    return result


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)) = max(x, 0) + log(1 + exp(-abs(x))).

    Examples
    --------
    >>> softplus(np.array([-700.0, 0.0, 700.0]))
    array([9.85967654e-305, 6.93147181e-001, 7.00000000e+002])
    """
    if x.dtype == np.float64:
        return np.asarray(elementwise.softplus(x))
    return np.asarray(silently(_softplus, x))


def _softplus(x: Array) -> Array:
    tail = _tail(x)
    np.log1p(tail, out=tail)
    tail += relu(x)
    return tail


def softplus_and_sigmoid(x: Array) -> tuple[Array, Array]:
    """Return a function and its derivative, which share an exponential.

    Examples
    --------
    >>> softplus_and_sigmoid(np.zeros(1))
    (array([0.69314718]), array([0.5]))
    """
    if x.dtype == np.float64:
        first, second = elementwise.softplus_and_sigmoid(x)
        return first, second
    return softplus(x), sigmoid(x)


def softplus_and_derivative(c: Array, x: Array) -> tuple[Array, Array]:
    """Return softplus(c x) and its derivative by x, which is c sigmoid(c x).

    Examples
    --------
    >>> softplus_and_derivative(np.array([2.0]), np.zeros(1))
    (array([0.69314718]), array([1.]))
    """
    if c.dtype == x.dtype == np.float64:
        first, second = elementwise.softplus_and_derivative(c, x)
        return first, second
    scaled: Array = c * x
    return softplus(scaled), c * sigmoid(scaled)


def sign(x: Array) -> Array:
    """Return 1 where x is positive, -1 where it is negative, 0 at 0; NaN stays NaN.

    Examples
    --------
    >>> sign(np.array([-2.0, 0.0, 3.0]))
    array([-1.,  0.,  1.])
    """
    if x.dtype.kind == "c":
        return np.asarray(np.sign(x.real).astype(x.dtype))
    signs: Array = np.sign(x)
    return signs


def relu(x: Array) -> Array:
    """Return x where it is positive and 0 elsewhere; NaN stays NaN.

    Examples
    --------
    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    if x.dtype.kind == "c":
        return np.where(x.real <= 0, x.dtype.type(0), x)
    positive: Array = np.maximum(x, x.dtype.type(0))
    return positive


def _tail(x: Array) -> Array:
    """Return exp(-abs(x)), a new array; for complex x the sign that makes the real part falls."""
    if x.dtype.kind == "c":
        tail: Array = np.where(x.real <= 0, x, -x)
    else:
        # copysign(x, -1) would do, in twice the time.
        tail = np.absolute(x)
        np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    return tail
