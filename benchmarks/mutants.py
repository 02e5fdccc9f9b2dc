"""Whether the gradient check accuses right gradients or passes wrong ones: the table.

    python benchmarks/mutants.py

Every gradient of the catalog and of the native functions is checked as it is and in mutants, in
float64 and float32, with the variable scaled by 1e-12 to 1e8 (f becomes f(X/s), the gradient
g(X/s)/s at sX). Each row counts points by verdict; "undecided" says that rounding hides the answer,
which is no verdict. It exits with 1 if a right gradient was called wrong or a wrong one right.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import matgrad
from matgrad.differences.moves import Symmetric
from matgrad.expression.evaluation import evaluate
from matgrad.expression.expression import Expression
from matgrad.expression.nodes import Negation, Sum
from matgrad.formulas import Formula

Array = Any
Function = Callable[[Array], Array]

POINTS = 4
SCALES = (1e-12, 1e-6, 1.0, 1e4, 1e8)
MARGIN = 1e-3  # a mutant this near to the right gradient is none


class Subject(NamedTuple):
    """A scalar function of a variable with `ndim` axes, its gradient, and one with a term off."""

    name: str
    f: Function
    gradient: Function
    flipped: Function | None
    x: Array
    ndim: int
    symmetric: Symmetric | None


def of_formula(formula: Formula) -> Subject:
    """Return a gradient formula at sample points, its constants the same for all."""
    rng = np.random.default_rng(17)
    arrays: dict[str, Any] = formula.sample(rng)
    points: Any = formula.sample(rng, (POINTS,))[formula.wrt]
    wrt = formula.parse(formula.wrt)

    def at(expression: Expression, X: Array) -> Array:
        here = {name: np.asarray(a, X.dtype) for name, a in arrays.items()} | {formula.wrt: X}
        everything = (expression, *map(formula.parse, formula.variables))
        model = None if expression is formula.value else wrt
        found = evaluate(everything, here, (model,))[0]
        return np.broadcast_to(found, X.shape) if model is not None else found

    flipped = sign_of_last_term(formula.derivative)
    conventions: dict[str, Symmetric | None] = {
        "independent": None,
        "symmetric": True,
        "free": "free",
    }
    return Subject(
        formula.id,
        lambda X: at(formula.value, X),
        lambda X: at(formula.derivative, X),
        None if flipped is None else lambda X: at(flipped, X),
        points,
        len(formula.shapes[formula.wrt]),
        conventions[formula.convention],
    )


def sign_of_last_term(derivative: Expression) -> Expression | None:
    """Return the derivative with the sign of its last term changed, if it is a sum."""
    if not isinstance(derivative, Sum):
        return None
    return Sum.of(*derivative.operands[:-1], Negation(derivative.operands[-1]))


def native() -> Iterator[Subject]:
    """Yield the native functions."""
    rng = np.random.default_rng(18)
    A, Q = rng.normal(size=(2, 5, 5))
    X = rng.normal(size=(POINTS, 5, 5))
    functions: dict[str, tuple[Function, Function]] = {
        "det": (matgrad.det, lambda X: matgrad.det_and_gradient(X)[1]),
        "slogdet": (
            lambda X: matgrad.slogdet(X)[1],
            lambda X: matgrad.slogdet_and_gradient(X)[2],
        ),
        "trace": (matgrad.trace, lambda X: np.broadcast_to(np.eye(5, dtype=X.dtype), X.shape)),
        "trace_product": (
            lambda X: matgrad.trace_product(A.astype(X.dtype), X),
            lambda X: np.broadcast_to(A.T.astype(X.dtype), X.shape),
        ),
        "quadratic_trace": (
            lambda X: matgrad.quadratic_trace(X, A.astype(X.dtype), Q.astype(X.dtype)),
            lambda X: matgrad.quadratic_trace_and_gradient(X, A.astype(X.dtype), Q.astype(X.dtype))[
                1
            ],
        ),
    }
    for name, (f, gradient) in functions.items():
        yield Subject(name, f, gradient, None, X, 2, None)


def mutants(subject: Subject) -> Iterator[tuple[str, Function]]:
    """Yield the wrong gradients."""
    g = subject.gradient
    shape = subject.x.shape[subject.x.ndim - subject.ndim :]
    yield "factor 2", lambda X: 2 * g(X)
    yield "3% off", lambda X: 1.03 * g(X)
    if subject.flipped is not None:
        yield "sign of a term", subject.flipped
    if len(shape) == 2 and shape[0] == shape[1] and not subject.symmetric:
        yield "transposed", lambda X: np.swapaxes(g(X), -1, -2)
        yield "missing symmetric part", lambda X: np.tril(g(X))
    if shape:
        yield "one entry off", lambda X: one_entry_off(g(X), len(shape))


def one_entry_off(G: Array, ndim: int) -> Array:
    """Return gradients whose first entry is off by a tenth of their size."""
    G = np.array(G)
    first = (..., *(0,) * ndim)
    size = np.sqrt((G**2).sum(axis=tuple(range(-ndim, 0))) / np.prod(G.shape[-ndim:]))
    G[first] += size / 10
    return G


def is_mutant(subject: Subject, wrong: Function) -> bool:
    """Return whether a gradient is wrong at every point."""
    right, other = subject.gradient(subject.x), wrong(subject.x)
    axes = tuple(range(-subject.ndim, 0))
    distance = np.abs(right - other).max(axis=axes) if axes else np.abs(right - other)
    size = np.abs(right).max(axis=axes) if axes else np.abs(right)
    return bool(np.all(distance > MARGIN * size) and np.all(size > 0))


def verdicts(subject: Subject, g: Function, scale: float, dtype: type) -> list[str]:
    """Return the verdict at every point."""
    s = dtype(scale)
    check = matgrad.check_gradient(
        lambda X: subject.f(X / s.astype(X.dtype)),
        lambda X: g(X / s.astype(X.dtype)) / s.astype(X.dtype),
        (subject.x * scale).astype(dtype),
        ndim=subject.ndim,
        symmetric=subject.symmetric,
        rng=0,
    )
    return [str(each) for each in np.atleast_1d(check.verdict)]


def main() -> int:
    """Print the table."""
    formulas = [f for f in matgrad.catalog.values() if f.kind == "gradient"]
    subjects = [*map(of_formula, formulas), *native()]
    table: dict[tuple[str, str], Counter[str]] = {}
    false: list[str] = []
    for dtype in (np.float64, np.float32):
        for subject in subjects:
            cases = [("right", subject.gradient)]
            cases += [(n, g) for n, g in mutants(subject) if is_mutant(subject, g)]
            for name, g in cases:
                for scale in SCALES:
                    found = verdicts(subject, g, scale, dtype)
                    table.setdefault((name, dtype.__name__), Counter()).update(found)
                    bad = "wrong" if name == "right" else "right"
                    if bad in found or (name == "right" and "not differentiable" in found):
                        false.append(f"{subject.name}, {name}, {dtype.__name__}, {scale}: {found}")
    columns = ["right", "wrong", "undecided", "not differentiable"]
    print(f"{'gradient':24}{'dtype':10}" + "".join(f"{c:>20}" for c in columns))
    for (name, kind), counts in table.items():
        print(f"{name:24}{kind:10}" + "".join(f"{counts[c]:>20}" for c in columns))
    print(f"{len(subjects)} functions, {len(false)} false verdicts")
    print("\n".join(false))
    return 1 if false else 0


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sys.exit(main())
