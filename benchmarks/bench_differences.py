"""Finite-difference gradients of one function at many points, against the peers.

Every peer gets its best idiom, and its largest error and number of evaluations a point stand
beside its time.

    pytest benchmarks/bench_differences.py
    python benchmarks/bench_differences.py    # the ratio at 1000 points, by turns
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import matgrad

Array = npt.NDArray[np.float64]
Gradient = Callable[[Callable[[Array], Array], Array], Array]

DIMENSION = 50


def rosenbrock(x: Array) -> Array:
    head, tail = x[..., :-1], x[..., 1:]
    value: Array = np.sum(100 * (tail - head**2) ** 2 + (1 - head) ** 2, axis=-1)
    return value


def exact(x: Array) -> Array:
    gradient = np.zeros_like(x)
    head, tail = x[..., :-1], x[..., 1:]
    gradient[..., :-1] -= 400 * head * (tail - head**2) + 2 * (1 - head)
    gradient[..., 1:] += 200 * (tail - head**2)
    return gradient


def ours(method: Any) -> Gradient:
    return lambda f, x: matgrad.jacobian(f, x, ndim=1, method=method)


def scipy_optimize(method: str) -> Gradient:
    numdiff = pytest.importorskip("scipy.optimize._numdiff")
    return lambda f, x: np.array([numdiff.approx_derivative(f, row, method) for row in x])


def scipy_differentiate() -> Gradient:
    differentiate = pytest.importorskip("scipy.differentiate")

    def gradient(f: Callable[[Array], Array], x: Array) -> Array:
        result = differentiate.jacobian(lambda x: f(np.moveaxis(x, 0, -1)), x.T)
        return np.asarray(result.df.T)

    return gradient


def numdifftools() -> Gradient:
    peer = pytest.importorskip("numdifftools")
    return lambda f, x: np.array([peer.Gradient(f)(row) for row in x])


def jacobi() -> Gradient:
    peer = pytest.importorskip("jacobi")
    return lambda f, x: np.array([peer.jacobi(f, row)[0] for row in x])


PEERS: dict[str, Callable[[], Gradient]] = {
    "matgrad 2-point": lambda: ours("2-point"),
    "matgrad 3-point": lambda: ours("3-point"),
    "matgrad cs": lambda: ours("cs"),
    "matgrad adaptive": lambda: ours("adaptive"),
    "scipy approx_derivative 2-point": lambda: scipy_optimize("2-point"),
    "scipy approx_derivative 3-point": lambda: scipy_optimize("3-point"),
    "scipy differentiate": scipy_differentiate,
    "numdifftools": numdifftools,
    "jacobi": jacobi,
}
# These take seconds a point, or memory like the square of the dimension.
FEW_POINTS = ("scipy differentiate", "numdifftools", "jacobi")


@pytest.mark.parametrize("points", [1, 10, 1000])
@pytest.mark.parametrize("peer", PEERS)
def test_gradients(benchmark: Any, peer: str, points: int) -> None:
    if points > 10 and peer in FEW_POINTS:
        pytest.skip(f"{peer} is measured at 10 points")
    gradient = PEERS[peer]()
    x = np.random.default_rng(0).normal(size=(points, DIMENSION))
    benchmark.group = f"gradient of rosenbrock, {points} points of dimension {DIMENSION}"
    evaluated = [0]

    def counted(x: Array) -> Array:
        evaluated[0] += x[..., 0].size
        return rosenbrock(x)

    error = np.abs(gradient(counted, x) - exact(x)).max() / np.abs(exact(x)).max()
    benchmark.extra_info["evaluations a point"] = evaluated[0] / points
    benchmark.extra_info["largest relative error"] = f"{error:.1e}"
    benchmark.pedantic(gradient, (rosenbrock, x), rounds=3)


@pytest.mark.parametrize("points", [1, 100])
def test_check(benchmark: Any, points: int) -> None:
    x = np.random.default_rng(0).normal(size=(points, DIMENSION))
    benchmark.group = f"check of a gradient, {points} points of dimension {DIMENSION}"
    check = benchmark.pedantic(
        matgrad.check_gradient, (rosenbrock, exact, x), {"ndim": 1, "rng": 0}, rounds=3
    )
    assert check.ok.all()


def by_turns(points: int = 1000, turns: int = 9) -> None:
    """Print how often as fast as SciPy's loop `jacobian` is, both in turns on a busy machine."""
    x = np.random.default_rng(0).normal(size=(points, DIMENSION))
    pair = ours("3-point"), scipy_optimize("3-point")
    seconds = np.empty((turns, 2))
    for turn, place in np.ndindex(seconds.shape):
        start = perf_counter()
        pair[place](rosenbrock, x)
        seconds[turn, place] = perf_counter() - start
    mine, theirs = np.median(seconds, axis=0)
    print(f"{points} points: {mine:.4f} s, SciPy {theirs:.4f} s, ratio {theirs / mine:.1f}")


if __name__ == "__main__":
    by_turns()
