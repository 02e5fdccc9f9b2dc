"""Matrices to try the kernels on, and the table of the kernels' signatures."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

# The public names and signatures that the design promises.
SIGNATURES = {
    "trace": "(n,n)->()",
    "trace_product": "(m,n),(n,m)->()",
    "quadratic_trace": "(n,m),(m,m),(n,n)->()",
    "quadratic_trace_and_gradient": "(n,m),(m,m),(n,n)->(),(n,m)",
    "det": "(n,n)->()",
    "slogdet": "(n,n)->(),()",
    "inv": "(n,n)->(n,n)",
    "adjugate": "(n,n)->(n,n)",
    "det_and_gradient": "(n,n)->(),(n,n)",
    "slogdet_and_gradient": "(n,n)->(),(),(n,n)",
}

# Kernels of one square matrix whose every result depends on every entry.
FACTORING = [name for name in SIGNATURES if SIGNATURES[name].startswith("(n,n)->")][1:]

# Kernels that are defined for singular matrices, too, and so never complain about one.
TOTAL = ["det", "slogdet", "adjugate", "det_and_gradient"]

COMPLEX = ["trace", "trace_product", "det", "slogdet", "inv", "adjugate"]


def results(kernel: np.ufunc, *arguments: Any, **keywords: Any) -> tuple[Array, ...]:
    """Return the results of a call as a tuple, also where there is only one."""
    result = kernel(*arguments, **keywords)
    return result if isinstance(result, tuple) else (result,)


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return numbers drawn for a dtype: normal, complex normal, or small integers.

    Normal ones are scaled by about (e/n)^(1/2): since E det(X)^2 = n!, determinants of any size
    are then about one and none leaves the range of float32.
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "iub":
        return rng.integers(0 if dtype.kind in "ub" else -9, 10, shape).astype(dtype)
    X = rng.normal(scale=(np.e / (shape[-1] + np.e)) ** 0.5, size=(2, *shape))
    drawn: Array = X[0] + 1j * X[1] if dtype.kind == "c" else X[0]
    return drawn.astype(dtype)


def core_shapes(name: str, n: int, m: int) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of one matrix of each argument of the kernel called `name`."""
    sizes = {"n": n, "m": m}
    arguments = SIGNATURES[name].split("->")[0]
    for letters in re.findall(r"\((.*?)\)", arguments):
        yield tuple(sizes[letter] for letter in letters.split(","))


def arguments_of(
    name: str,
    rng: np.random.Generator,
    n: int,
    batch: tuple[int, ...] = (),
    dtype: DTypeLike = np.float64,
    *,
    m: int | None = None,
) -> tuple[Array, ...]:
    """Return random arguments for the kernel called `name`; m is n + 2 unless given."""
    shapes = core_shapes(name, n, n + 2 if m is None else m)
    return tuple(numbers(rng, batch + shape, dtype) for shape in shapes)


def graded(rng: np.random.Generator, singular_values: Array) -> Array:
    """Return a random matrix with these singular values, up to rounding."""
    n = len(singular_values)
    U, V = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return np.asarray((U * singular_values) @ V)


def of_rank(rng: np.random.Generator, n: int, rank: int) -> Array:
    """Return an integer-valued n x n matrix of at most this rank (as a rule, of this rank)."""
    B, C = rng.integers(-4, 5, (n, rank)), rng.integers(-4, 5, (rank, n))
    return (B @ C).astype(np.float64)


def of_small_determinant(rng: np.random.Generator, n: int, largest: int) -> Array:
    """Return an integer-valued matrix of large entries and small determinant.

    Row and column operations spread a small diagonal; they leave the determinant as it is.
    """
    X = np.diag(rng.choice([-3.0, -2, -1, 1, 2, 3], n))
    while n > 1 and 10 * abs(X).max() <= largest:
        i, j = rng.choice(n, 2, replace=False)
        X[i] += rng.integers(-9, 10) * X[j]
        X = X.T.copy()
    return X


def singular_behind_a_tiny_pivot(rng: np.random.Generator, n: int, exponent: int) -> Array:
    """Return a singular matrix whose pivot before the last is about 2^-exponent, all entries exact.

    What rounding makes of the last pivot, which is zero, grows with the one before it."""
    U = np.triu(rng.integers(-3, 4, (n, n)), 1) + np.diag(rng.choice([-4.0, -2, -1, 1, 2, 4], n))
    L = np.tril(rng.choice([-0.5, 0.0, 0.5], (n, n)), -1) + np.eye(n)
    U[n - 2, n - 2 :], U[n - 1, n - 1] = 1, 0
    L[n - 1, n - 2] = 2.0**-exponent
    return np.asarray(rng.permutation(L @ U))


def with_zero_pivots(rng: np.random.Generator, n: int, positions: list[int]) -> Array:
    """Return a matrix in whose elimination the pivots at `positions` are exactly zero.

    Up to the first of them nothing is rounded, the pivots being powers of two and L of halves,
    and partial pivoting keeps the order of the rows of LU, which are shuffled at the end.
    """
    U = np.triu(rng.integers(-3, 4, (n, n)), 1) + np.diag(rng.choice([-4.0, -2, -1, 1, 2, 4], n))
    L = np.tril(rng.choice([-0.5, 0.0, 0.5], (n, n)), -1) + np.eye(n)
    U[positions, positions] = 0
    L[:, positions] = np.eye(n)[:, positions]
    return np.asarray(rng.permutation(L @ U))
