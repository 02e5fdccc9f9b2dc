"""Functions with their gradients as lists of terms, and the mistakes that a check must see."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import matgrad

Array = Any
Term = Callable[[Array], Array]
N = 3


@dataclass(frozen=True)
class Case:
    """A scalar function of arrays with `ndim` axes of length N, and the terms of its gradient."""

    f: Callable[[Array], Array]
    terms: list[Term]
    ndim: int
    positive: bool = False

    def draw(self, rng: np.random.Generator, batch: int) -> Array:
        """Draw points of size 1."""
        x = rng.normal(size=(batch, *(N,) * self.ndim))
        return 0.5 + np.abs(x) if self.positive else x


def turned(X: Array) -> Array:
    return np.swapaxes(X, -1, -2)


def dot(x: Array, y: Array) -> Array:
    return np.sum(x * y, axis=-1, keepdims=True)


def sigmoid(t: Array) -> Array:
    return 1 / (1 + np.exp(-t))


rng = np.random.default_rng(2026)
A, Q, Y = rng.normal(size=(3, N, N))
D, y = rng.normal(size=(8, N)), rng.choice([-1.0, 1.0], 8)

CASES = {
    "trace": Case(matgrad.trace, [lambda X: np.eye(N) + 0 * X], 2),
    "trace_product": Case(lambda X: matgrad.trace_product(A, X), [lambda X: A.T + 0 * X], 2),
    "quadratic_trace": Case(
        lambda X: matgrad.quadratic_trace(X, A, Q),
        [lambda X: Q.T @ X @ A.T, lambda X: Q @ X @ A],
        2,
    ),
    "quadratic_trace_and_gradient": Case(
        lambda X: matgrad.quadratic_trace_and_gradient(X, A, Q)[0],
        [lambda X: matgrad.quadratic_trace_and_gradient(X, A, Q)[1]],
        2,
    ),
    "det": Case(matgrad.det, [lambda X: matgrad.det_and_gradient(X)[1]], 2),
    "slogdet": Case(
        lambda X: matgrad.slogdet(X)[1], [lambda X: matgrad.slogdet_and_gradient(X)[2]], 2
    ),
    "trace of inv": Case(
        lambda X: matgrad.trace(matgrad.inv(X)),
        [lambda X: -turned(matgrad.inv(X) @ matgrad.inv(X))],
        2,
    ),
    "trace of adjugate": Case(
        lambda X: matgrad.trace(matgrad.adjugate(X)),
        [
            lambda X: matgrad.trace(X)[..., None, None] * np.eye(N),
            lambda X: -turned(X),
        ],
        2,
    ),
    "distance": Case(
        lambda X: np.sum((X - Y) ** 2, axis=(-1, -2)),
        [lambda X: 2 * X, lambda X: -2 * Y + 0 * X],
        2,
    ),
    "quadratic form": Case(
        lambda x: dot(x @ A, x)[..., 0], [lambda x: x @ A, lambda x: x @ A.T], 1
    ),
    "ridge": Case(
        lambda w: np.sum((w @ D.T - y) ** 2, axis=-1) + 3 * dot(w, w)[..., 0],
        [lambda w: 2 * (w @ D.T - y) @ D, lambda w: 6 * w],
        1,
    ),
    "logistic": Case(
        lambda w: np.sum(np.logaddexp(0, -y * (w @ D.T)), axis=-1) + dot(w, w)[..., 0],
        [lambda w: (-y * sigmoid(-y * (w @ D.T))) @ D, lambda w: 2 * w],
        1,
    ),
    "log-sum-exp": Case(
        lambda x: np.log(np.sum(np.exp(x), axis=-1)),
        [lambda x: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)],
        1,
    ),
    "norm": Case(lambda x: np.sqrt(dot(x, x))[..., 0], [lambda x: x / np.sqrt(dot(x, x))], 1),
    "entropy": Case(
        lambda x: np.sum(x * np.log(x), axis=-1), [np.log, np.ones_like], 1, positive=True
    ),
    "log barrier": Case(
        lambda x: -np.sum(np.log(x), axis=-1), [lambda x: -1 / x], 1, positive=True
    ),
    "gauss": Case(
        lambda x: np.exp(-dot(x, x) / 3)[..., 0], [lambda x: -2 / 3 * x * np.exp(-dot(x, x) / 3)], 1
    ),
    "rayleigh quotient": Case(
        lambda x: (dot(x @ A, x) / dot(x, x))[..., 0],
        [
            lambda x: x @ (A + A.T) / dot(x, x),
            lambda x: -2 * x * dot(x @ A, x) / dot(x, x) ** 2,
        ],
        1,
    ),
    "rosenbrock": Case(
        lambda x: np.sum(100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2, -1),
        [
            lambda x: np.pad(-400 * x[..., :-1] * (x[..., 1:] - x[..., :-1] ** 2), last(x, 0, 1)),
            lambda x: np.pad(200 * (x[..., 1:] - x[..., :-1] ** 2), last(x, 1, 0)),
            lambda x: np.pad(-2 * (1 - x[..., :-1]), last(x, 0, 1)),
        ],
        1,
    ),
    "sines": Case(lambda x: np.sum(np.sin(x), axis=-1), [np.cos], 1),
}


def last(x: Array, before: int, after: int) -> list[tuple[int, int]]:
    """Pad widths for the last axis alone."""
    return [(0, 0)] * (x.ndim - 1) + [(before, after)]


def total(terms: list[Term]) -> Term:
    return lambda x: sum(term(x) for term in terms)


def mutants(case: Case, terms: list[Term], x: Array) -> Iterator[tuple[str, Term]]:
    """Wrong gradients made of the terms of a right one, each wrong at every point of x."""
    g = total(terms)
    yield "sign", lambda x: -g(x)
    yield "factor 2", lambda x: 2 * g(x)
    yield "3% off", lambda x: g(x) * x.dtype.type(1.03)
    yield "one entry", doubled_entry(g, x)
    if len(terms) > 1:
        yield "sign of a term", lambda x: terms[0](x) - total(terms[1:])(x)
        yield "a term missing", terms[0]
    if case.ndim == 2 and not np.allclose(g(x), turned(g(x))):
        yield "transposed", lambda x: turned(g(x))


def doubled_entry(g: Term, x: Array) -> Term:
    """Double one entry, one that is 0 at none of the points."""
    smallest = np.abs(g(x)).min(axis=0)
    place: tuple[Any, ...] = (..., *np.unravel_index(np.argmax(smallest), smallest.shape))

    def doubled(x: Array) -> Array:
        G = np.array(g(x))
        G[place] *= 2
        return G

    return doubled


def scaled(case: Case, scale: Array, dtype: Any) -> tuple[Term, list[Term]]:
    """Return f(scale x) and the terms of its gradient, computed in the precision of x."""
    scale = scale.astype(dtype)

    def chain(term: Term) -> Term:
        return lambda x: (term(x * scale) * scale).astype(x.dtype)

    return lambda x: case.f(x * scale), [chain(term) for term in case.terms]
