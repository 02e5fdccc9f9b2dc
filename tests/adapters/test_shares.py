"""Sums over the rows of data in chunks: the same as over all rows, or refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from matgrad import Oracle, catalog
from tests.adapters.rows import LOGISTIC, Array, X, cut, penalised, w, y

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
adapter = pytest.importorskip("matgrad.adapters.dask")


def gaussian() -> Oracle:
    text = "25*logdet(S) + tr(inv(S)*X'*X)/2"
    return Oracle(text, "S", structure="positive_definite", X=np.zeros((0, 4)))


# Each by chunks and by NumPy.
TOTALS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "formula": (
        lambda: adapter.total_value_and_gradient(LOGISTIC, w, X=cut(X, 7), y=cut(y, 10)),
        lambda: LOGISTIC.value_and_gradient(w=w, X=X, y=y),
    ),
    "penalty": (
        lambda: adapter.total_value_and_gradient(penalised(), w, X=cut(X, 7), y=cut(y, 10)),
        lambda: penalised(X=X, y=y).value_and_gradient(w),
    ),
    "penalty-in-a-formula": (
        lambda: adapter.total_value_and_gradient(
            catalog["ridge"], w, X=cut(X, 7), y=cut(y, 7), **{"lambda": 3.0}
        ),
        lambda: catalog["ridge"].value_and_gradient_at({"w": w, "X": X, "y": y, "lambda": 3.0}),
    ),
    "whole-constants": (
        lambda: adapter.total_value_and_gradient(
            penalised(), w, X=cut(X, 7), y=cut(y, 7), alpha=np.array([1.0, 2.0])
        ),
        lambda: penalised(X=X, y=y, alpha=np.array([1.0, 2.0])).value_and_gradient(w),
    ),
    "batch": (
        lambda: adapter.total_value_and_gradient(
            penalised(), np.stack([w, 2 * w]), X=cut(X, 7), y=cut(y, 7)
        ),
        lambda: penalised(X=X, y=y).value_and_gradient(np.stack([w, 2 * w])),
    ),
    "matrix": (
        lambda: adapter.total_value_and_gradient(gaussian(), np.eye(4), X=cut(X, 7)),
        lambda: gaussian().with_constants(X=X).value_and_gradient(np.eye(4)),
    ),
    "float32": (
        lambda: adapter.total_value_and_gradient(
            penalised(), w.astype("f"), X=cut(X.astype("f"), 7), y=cut(y.astype("f"), 7)
        ),
        lambda: penalised(X=X.astype("f"), y=y.astype("f")).value_and_gradient(w.astype("f")),
    ),
    "outside-the-domain": (
        lambda: adapter.total_value_and_gradient(gaussian(), -np.eye(4), X=cut(X, 7)),
        lambda: gaussian().with_constants(X=X).value_and_gradient(-np.eye(4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOTALS)
def test_the_total_of_chunks_of_rows_is_that_of_all_rows(name: str) -> None:
    lazy, wanted = TOTALS[name][0](), TOTALS[name][1]()
    for result, expected in zip(lazy, wanted, strict=True):
        assert isinstance(result, da.Array)
        assert (result.shape, result.dtype) == (np.shape(expected), expected.dtype)
        found = result.compute()
        assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
        rounding = 100 * np.finfo(found.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=rounding, atol=rounding)


def test_a_chunk_of_rows_is_asked_for_once() -> None:
    asked: list[int] = []

    def load(block_info: Any = None) -> Array:
        start, stop = block_info[None]["array-location"][0]
        asked.append(start)
        return X[start:stop]

    rows = da.map_blocks(load, chunks=((20, 20, 10), (4,)), dtype=float, meta=np.empty((0, 0)))
    dask.compute(*adapter.total_value_and_gradient(LOGISTIC, w, X=rows, y=cut(y, 20)))
    assert sorted(asked) == [0, 20, 40]


def test_integers_are_float64_in_a_sum() -> None:
    whole = (10 * X).astype("i1")
    lazy = adapter.total_value_and_gradient(penalised(), w, X=cut(whole, 7), y=cut(y, 7))
    for result, expected in zip(lazy, penalised(X=whole, y=y).value_and_gradient(w), strict=True):
        np.testing.assert_allclose(result.compute(), expected, rtol=1e-13)


REFUSED: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "no-sum": (
        ValueError,
        "total_value_and_gradient needs a sum over the rows of X, y; got norm.y - X.w.$",
        lambda: adapter.total_value_and_gradient(
            Oracle("norm(y - X*w)", "w", X=X[:1], y=y[:1]), w, X=cut(X, 7), y=cut(y, 7)
        ),
    ),
    "no-data": (
        TypeError,
        "total_value_and_gradient needs the data as Dask arrays; got none",
        lambda: adapter.total_value_and_gradient(LOGISTIC, w, X=X, y=y),
    ),
    "rows-in-pieces": (
        ValueError,
        r"needs X in chunks of whole rows; got chunks of shape \(7, 2\) in \(50, 4\)",
        lambda: adapter.total_value_and_gradient(LOGISTIC, w, X=cut(X, 7, 2), y=cut(y, 7)),
    ),
    "rows-that-are-missing": (
        ValueError,
        r"needs as many rows everywhere; got X \(50, 4\), y \(49,\)",
        lambda: adapter.total_value_and_gradient(LOGISTIC, w, X=cut(X, 7), y=cut(y[1:], 7)),
    ),
    "rows-of-unknown-number": (
        ValueError,
        r"needs X of known lengths; got shape \(nan, 4\), which X.compute_chunk_sizes\(\) measures",
        lambda: adapter.total_value_and_gradient(
            LOGISTIC, w, X=cut(X, 7)[cut(y, 7) > 0], y=cut(y, 7)[cut(y, 7) > 0]
        ),
    ),
    "data-with-a-batch": (
        ValueError,
        r"needs y with a row for each observation and no batch; got shape \(1, 50\)",
        lambda: adapter.total_value_and_gradient(LOGISTIC, w, X=cut(X, 7), y=cut(y[None], 1)),
    ),
    "data-in-memory-beside-chunks": (
        ValueError,
        r"where n = 50 as in y; got \(0, 4\)",
        lambda: adapter.total_value_and_gradient(LOGISTIC, w, X=cut(X, 7), y=y),
    ),
    "missing-constant": (
        TypeError,
        "logistic-loss-of-samples needs an array for y",
        lambda: adapter.total_value_and_gradient(LOGISTIC, w, X=cut(X, 7)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_computed(name: str) -> None:
    error, sentence, call = REFUSED[name]
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.parametrize(
    "text",
    [
        "norm1(X'*(X*w - y))",  # a sum where all rows have one sign
        "relu(sum(X*w) - 100)",  # where they are small
        "norm1(X'*y) + w'*w",
        "alpha*norm(X*w) + 100*w'*w",
        "logdet(alpha*I + diag(w)*X'*X*diag(w))",
    ],
)
def test_what_is_a_sum_over_some_rows_only_is_refused(text: str) -> None:
    constants = {"X": X, "y": y, "alpha": 1e-3}
    used: Any = {name: each for name, each in constants.items() if name in text}
    oracle = Oracle(text, "w", **used)
    rows = {name: cut(each, 7) for name, each in used.items() if name != "alpha"}
    with pytest.raises(ValueError, match="needs a sum over the rows of X"):
        adapter.total_value_and_gradient(oracle, w, **rows)


@pytest.mark.parametrize(
    "text",
    [
        "sum(log(X*w))",
        "sum(exp(X*w) - y .* (X*w))",
        "sum(sin(X*w)) + 1000000*w'*w",
        "sum(sigmoid(X*w))",
        "sum(abs(X*w - y)) + norm1(w)",
        "tr(X*w*w'*X')",
    ],
)
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_a_sum_over_rows_of_any_size_and_sign_is_taken(text: str, dtype: str) -> None:
    used: Any = {
        name: each.astype(dtype) for name, each in {"X": X, "y": y}.items() if name in text
    }
    rows = {name: cut(each, 7) for name, each in used.items()}
    _, gradient = adapter.total_value_and_gradient(
        Oracle(text, "w", **used), w.astype(dtype), **rows
    )
    assert gradient.dtype == dtype
