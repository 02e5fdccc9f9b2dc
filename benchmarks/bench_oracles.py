"""Value and gradient at a new point: an oracle beside jax.jit(value_and_grad) and torch's autograd.

    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    taskset -c 0 pytest benchmarks/bench_oracles.py --benchmark-columns=median,min
    taskset -c 0 python benchmarks/bench_oracles.py likelihood    # ratios, by turns

The second is for a machine that others use, too: all take turns, so that they share its moods.

NumPy arrays go in, NumPy arrays come out, in one thread; the overhead of a call is in it. JAX and
PyTorch get each function in the ways that are usual: the shortest time counts. Every value and
gradient is compared with the oracle's before it is timed.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import Oracle, get_num_threads, set_num_threads

Array = NDArray[Any]
Arrays = dict[str, Array]
Evaluate = Callable[[Array], tuple[Any, Array]]

ROUNDS, POINTS = 40, 8


class Problem(NamedTuple):
    """A function, for an oracle and for libraries.

    Parameters
    ----------
    oracle : Oracle
        The oracle.
    draw : callable
        Returns a point: arrays by the names of the variables.
    constants : dict of str to array
        The constants.
    ways : dict of str to callable
        The same function, of jax.numpy or torch, the variables and the constants.
    """

    oracle: Oracle
    draw: Callable[[], Arrays]
    constants: Arrays
    ways: dict[str, Callable[..., Any]]


def likelihood(n: int, *batch: int) -> Problem:
    rng = np.random.default_rng(0)

    def covariances() -> Array:
        A = rng.normal(size=(*batch, n, 3 * n))
        covariances: Array = A @ A.mT / (3 * n)
        return covariances

    def by_cholesky(xp: Any, S: Any, C: Any) -> Any:
        L = xp.linalg.cholesky(S)
        logarithms = xp.log((L * xp.eye(n, dtype=S.dtype)).sum(-1)).sum(-1)
        return 2 * logarithms + _trace(xp, _cholesky_solve(xp, L, C))

    constants: Any = {"C": covariances()}
    return Problem(
        Oracle("logdet(S) + tr(inv(S)*C)", "S", structure={"C": "symmetric"}, **constants),
        lambda: {"S": covariances() + np.eye(n)},
        constants,
        {
            "Cholesky": by_cholesky,
            "inverse": lambda xp, S, C: _logdet(xp, S) + (xp.linalg.inv(S) * C).sum((-1, -2)),
            "solve": lambda xp, S, C: _logdet(xp, S) + _trace(xp, xp.linalg.solve(S, C)),
        },
    )


def logistic(samples: int, n: int, *batch: int) -> Problem:
    rng = np.random.default_rng(1)
    constants: Any = {
        "X": rng.normal(size=(*batch, samples, n)),
        "y": np.sign(rng.normal(size=(*batch, samples))),
    }
    return Problem(
        Oracle("sum(softplus(-y .* (X*w)))", "w", **constants),
        lambda: {"w": rng.normal(size=(*batch, n))},
        constants,
        {
            "softplus": lambda xp, w, X, y: _softplus(xp, -y * (X @ w[..., None])[..., 0]).sum(-1),
        },
    )


def factorisation(n: int, *batch: int) -> Problem:
    rng, rank = np.random.default_rng(2), max(2, n // 4)
    constants: Any = {"Y": rng.normal(size=(*batch, n, n))}
    return Problem(
        Oracle("norm(Y - U*V')^2", ("U", "V"), **constants),
        lambda: {name: rng.normal(size=(*batch, n, rank)) for name in "UV"},
        constants,
        {"squares": lambda xp, U, V, Y: ((Y - U @ V.mT) ** 2).sum((-1, -2))},
    )


def quadratic_trace(n: int, *batch: int) -> Problem:
    rng = np.random.default_rng(3)
    constants: Any = {name: rng.normal(size=(*batch, n, n)) for name in "AQ"}
    return Problem(
        Oracle("tr(X*A*X'*Q)", "X", **constants),
        lambda: {"X": rng.normal(size=(*batch, n, n))},
        constants,
        {
            "chain": lambda xp, X, A, Q: _trace(xp, X @ A @ X.mT @ Q),
            "halves": lambda xp, X, A, Q: ((X @ A) * (Q.mT @ X)).sum((-1, -2)),
        },
    )


CASES: dict[str, Callable[[], Problem]] = {
    **{f"likelihood, n = {n}": partial(likelihood, n) for n in (10, 50, 200)},
    "logistic, 1000 x 20": partial(logistic, 1000, 20),
    **{f"factorisation, n = {n}": partial(factorisation, n) for n in (10, 50, 200)},
    **{f"quadratic trace, n = {n}": partial(quadratic_trace, n) for n in (10, 50, 200)},
    "likelihood, 1000 of n = 8": partial(likelihood, 8, 1000),
    "logistic, 1000 of 50 x 8": partial(logistic, 50, 8, 1000),
    "factorisation, 1000 of n = 8": partial(factorisation, 8, 1000),
    "quadratic trace, 1000 of n = 8": partial(quadratic_trace, 8, 1000),
}


def by_oracle(problem: Problem, way: str) -> Evaluate:
    return problem.oracle.value_and_gradient


def by_jax(problem: Problem, way: str) -> Evaluate:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    constants = [jax.numpy.asarray(each) for each in problem.constants.values()]
    split, batch = _split(problem)

    def function(x: Any, *constants: Any) -> Any:
        return problem.ways[way](jax.numpy, *split(x), *constants)

    derived = jax.value_and_grad(function)
    compiled = jax.jit(jax.vmap(derived) if batch else derived)

    def evaluate(x: Array) -> tuple[Any, Array]:
        value, gradient = compiled(x, *constants)
        return np.asarray(value), np.asarray(gradient)

    return evaluate


def by_torch(problem: Problem, way: str) -> Evaluate:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    constants = [torch.from_numpy(each) for each in problem.constants.values()]
    split, _ = _split(problem)

    def evaluate(x: Array) -> tuple[Any, Array]:
        variable = torch.from_numpy(x).requires_grad_()
        value = problem.ways[way](torch, *split(variable), *constants)
        (gradient,) = torch.autograd.grad(value.sum(), variable)
        return value.detach().numpy(), gradient.numpy()

    return evaluate


# The ways to write a function, by the first word of a case.
WAYS = {
    "likelihood": ("Cholesky", "inverse", "solve"),
    "logistic": ("softplus",),
    "factorisation": ("squares",),
    "quadratic": ("chain", "halves"),
}


def contestants() -> Iterator[Any]:
    """Yield every case with every implementation that it has."""
    for case in CASES:
        yield pytest.param(case, by_oracle, "", id=f"{case}: matgrad")
        for way in WAYS[case.split()[0].rstrip(",")]:
            yield pytest.param(case, by_jax, way, id=f"{case}: jax, {way}")
            yield pytest.param(case, by_torch, way, id=f"{case}: torch, {way}")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = get_num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)


@pytest.mark.parametrize(("case", "implementation", "way"), contestants())
def test_value_and_gradient(
    case: str, implementation: Callable[[Problem, str], Evaluate], way: str, benchmark: Any
) -> None:
    problem = CASES[case]()
    benchmark.group = f"{case}, {POINTS} points"
    benchmark.pedantic(tour(problem, implementation, way), rounds=ROUNDS, warmup_rounds=3)


def tour(
    problem: Problem, implementation: Callable[[Problem, str], Evaluate], way: str
) -> Callable[[], None]:
    """Return what evaluates at some points, after a comparison with the oracle."""
    evaluate = implementation(problem, way)
    points = [problem.oracle.pack(**problem.draw()) for _ in range(POINTS)]
    for x in points[:2]:
        for found, wanted in zip(evaluate(x), problem.oracle.value_and_gradient(x), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8 * np.abs(wanted).max())

    def run() -> None:
        for x in points:
            evaluate(x)

    return run


def race(case: str) -> str:
    """Return a line with the median time of the oracle, and those of the others in units of it."""
    problem = CASES[case]()
    tours = {"matgrad": tour(problem, by_oracle, "")}
    for way in WAYS[case.split()[0].rstrip(",")]:
        tours[f"jax, {way}"] = tour(problem, by_jax, way)
        tours[f"torch, {way}"] = tour(problem, by_torch, way)
    times: dict[str, list[float]] = {name: [] for name in tours}
    for _ in range(ROUNDS):
        for name, run in tours.items():
            run()  # its code and data are in the caches again
            start = perf_counter()
            run()
            times[name].append(perf_counter() - start)
    median = {name: float(np.median(each)) for name, each in times.items()}
    own = median.pop("matgrad")
    ratios = "   ".join(f"{name} {each / own:.2f}" for name, each in median.items())
    return f"{case:32}{own / POINTS * 1e6:10.1f} us   {ratios}"


def _split(problem: Problem) -> tuple[Callable[[Any], list[Any]], bool]:
    """Return what takes the variables out of a flat vector, and whether there is a batch."""
    drawn = problem.draw()
    x = problem.oracle.pack(**drawn)
    cores = [each.shape[x.ndim - 1 :] for each in drawn.values()]
    ends = np.cumsum([int(np.prod(core)) for core in cores]).tolist()

    def split(x: Any) -> list[Any]:
        parts = zip(cores, [0, *ends], ends, strict=False)
        return [x[..., i:j].reshape((*x.shape[:-1], *core)) for core, i, j in parts]

    return split, x.ndim > 1


def _trace(xp: Any, A: Any) -> Any:
    return (A * xp.eye(A.shape[-1], dtype=A.dtype)).sum((-1, -2))


def _logdet(xp: Any, A: Any) -> Any:
    return xp.linalg.slogdet(A)[1]


def _cholesky_solve(xp: Any, L: Any, B: Any) -> Any:
    if xp.__name__ == "torch":
        return xp.cholesky_solve(B, L)
    from jax.scipy.linalg import cho_solve

    return cho_solve((L, True), B)


def _softplus(xp: Any, x: Any) -> Any:
    if xp.__name__ == "torch":
        return xp.nn.functional.softplus(x)
    from jax.nn import softplus

    return softplus(x)


if __name__ == "__main__":
    set_num_threads(1)
    for case in CASES:
        if not sys.argv[1:] or any(word in case for word in sys.argv[1:]):
            print(race(case), flush=True)
