"""Dask with oracles and formulas: what NumPy gives, lazily, in threads and on a cluster."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import matgrad
from matgrad import Oracle, catalog
from tests.adapters.rows import LOGISTIC, Array, X, cut, penalised, w, y
from tests.linalg.samples import arguments_of, results

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
adapter = pytest.importorskip("matgrad.adapters.dask")

rng = np.random.default_rng(0)
A = rng.normal(size=(11, 3, 3))
C = A @ A.mT + np.eye(3)
x, flat = rng.normal(size=(11, 3)), rng.normal(size=(11, 6))

FORM = catalog["quadratic-form"]


def likelihood(parametrization: str = "full") -> Oracle:
    return Oracle("logdet(S) + tr(inv(S)*C)", "S", C=C[0], parametrization=parametrization)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Return a client of two workers, each a process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


# Each by chunks and by NumPy.
BATCHES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "formula": (
        lambda: adapter.value_and_gradient(catalog["determinant"], cut(A, 4)),
        lambda: catalog["determinant"].value_and_gradient(X=A),
    ),
    "formula-with-constants-in-other-chunks": (
        lambda: adapter.value_and_gradient(FORM, cut(x, 4), A=cut(A, 3)),
        lambda: FORM.value_and_gradient(x=x, A=A),
    ),
    "formula-of-one-point": (
        lambda: adapter.value_and_gradient(FORM, x[0], A=cut(A, 4)),
        lambda: FORM.value_and_gradient(x=x[0], A=A),
    ),
    "formula-with-a-number": (
        lambda: adapter.value_and_gradient(
            catalog["ridge"],
            cut(x.astype("f"), 4),
            X=A[0].astype("f"),
            y=y[:3].astype("f"),
            **{"lambda": 2},
        ),
        lambda: catalog["ridge"].value_and_gradient_at(
            {"w": x.astype("f"), "X": A[0].astype("f"), "y": y[:3].astype("f"), "lambda": 2}
        ),
    ),
    "hessian": (
        lambda: adapter.value_and_gradient(
            catalog["least-squares-hessian"], cut(x, 4), X=C[0], y=x[0]
        ),
        lambda: (
            catalog["least-squares-hessian"].evaluate(w=x, X=C[0], y=x[0]),
            np.stack([2 * C[0].T @ C[0]] * 11),
        ),
    ),
    "complex": (
        lambda: adapter.value_and_gradient(catalog["determinant"], cut(A + 1j * C, 4)),
        lambda: catalog["determinant"].value_and_gradient(X=A + 1j * C),
    ),
    "oracle": (
        lambda: adapter.value_and_gradient(likelihood(), cut(C, 4)),
        lambda: likelihood().value_and_gradient(C),
    ),
    "oracle-of-float32": (
        lambda: adapter.value_and_gradient(Oracle("norm(S)^2", "S"), cut(C.astype("f"), 4)),
        lambda: Oracle("norm(S)^2", "S").value_and_gradient(C.astype("f")),
    ),
    "oracle-flat": (
        lambda: adapter.value_and_gradient(likelihood("log-cholesky"), cut(flat, 4)),
        lambda: likelihood("log-cholesky").value_and_gradient(flat),
    ),
    "oracle-with-constants-in-chunks": (
        lambda: adapter.value_and_gradient(likelihood(), cut(C, 4), C=cut(C[::-1], 3)),
        lambda: likelihood().with_constants(C=C[::-1]).value_and_gradient(C),
    ),
    "oracle-with-a-batch-of-its-own": (
        lambda: adapter.value_and_gradient(likelihood().with_constants(C=C), cut(C[::-1], 4)),
        lambda: likelihood().with_constants(C=C).value_and_gradient(C[::-1]),
    ),
    "oracle-with-batches-that-broadcast": (
        lambda: adapter.value_and_gradient(
            likelihood().with_constants(C=C), cut(C[:5, None], 2, 1)
        ),
        lambda: likelihood().with_constants(C=C).value_and_gradient(C[:5, None]),
    ),
    "gradient-without-the-batch-of-a-constant": (
        lambda: adapter.value_and_gradient(
            Oracle("tr(S) + alpha", "S", alpha=1.0), C[0], alpha=cut(y, 7)
        ),
        lambda: Oracle("tr(S) + alpha", "S", alpha=y).value_and_gradient(C[0]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_in_chunks_is_the_whole(name: str) -> None:
    lazy, wanted = BATCHES[name][0](), BATCHES[name][1]()
    for result, expected in zip(lazy, wanted, strict=True):
        assert isinstance(result, da.Array)
        assert (result.shape, result.dtype) == (np.shape(expected), expected.dtype)
        assert result._meta.dtype == expected.dtype
        found = result.compute()
        assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
        rounding = 100 * np.finfo(found.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=rounding, atol=rounding)


def test_chunks_are_those_of_the_batch() -> None:
    value, gradient = adapter.value_and_gradient(likelihood(), cut(C, 4))
    assert value.chunks == ((4, 4, 3),)
    assert gradient.chunks == ((4, 4, 3), (3,), (3,))


def test_only_the_chunks_that_are_asked_for_are_computed() -> None:
    oracle = likelihood()
    _, gradient = adapter.value_and_gradient(oracle, cut(C, 1))
    assert oracle.counts.values == 0
    gradient[:2].compute()
    assert oracle.counts.values == 2


def test_an_empty_chunk_has_empty_results() -> None:
    value, gradient = adapter.value_and_gradient(likelihood("vech"), cut(np.zeros((0, 6)), 0))
    assert (value.compute().shape, gradient.compute().shape) == ((0,), (0, 6))


def test_rows_of_a_file_are_read_chunk_by_chunk_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "X.npy"
    np.save(path, X)
    rows = adapter.rows_of_file(path, 20)
    assert rows.chunks == ((20, 20, 10), (4,))
    assert rows.dtype == X.dtype
    np.testing.assert_array_equal(rows[::-7, 1:3], X[::-7, 1:3])
    lazy = adapter.total_value_and_gradient(LOGISTIC, w, X=rows, y=cut(y, 7))
    wanted = LOGISTIC.value_and_gradient(w=w, X=X, y=y)
    np.testing.assert_allclose(lazy[1].compute(), wanted[1], rtol=1e-12)
    np.save(path, 2 * X)
    os.utime(path, (0, 0))
    assert adapter.rows_of_file(path, 20).name != rows.name


def test_a_text_is_no_subject() -> None:
    with pytest.raises(TypeError, match=r"needs an Oracle or a Formula; got 'logdet\(X\)'"):
        adapter.value_and_gradient("logdet(X)", np.eye(3))
    with pytest.raises(TypeError, match="needs an Oracle or a Formula; got 'sum"):
        adapter.total_value_and_gradient("sum(X*w)", w, X=cut(X, 10))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "number.npy", 1.0)
    with pytest.raises(ValueError, match="rows_of_file needs an array with rows; got a number in"):
        adapter.rows_of_file(tmp_path / "number.npy", 20)


def test_a_file_of_no_numbers_and_chunks_of_no_rows_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(ValueError, match="rows_of_file needs an array of numbers; got <U1 in"):
        adapter.rows_of_file(tmp_path / "words.npy", 1)
    np.save(tmp_path / "X.npy", X)
    with pytest.raises(ValueError, match="at least one row in a chunk; got 0"):
        adapter.rows_of_file(tmp_path / "X.npy", 0)


def test_an_optimizer_finds_the_same_on_a_cluster(client: Any) -> None:
    rows = client.persist([cut(X, 7), cut(y, 7)])

    def by_dask(w: Array) -> tuple[float, Array]:
        total = adapter.total_value_and_gradient(penalised(), w, X=rows[0], y=rows[1])
        value, gradient = dask.compute(*total)
        return float(value), gradient

    found = scipy.optimize.minimize(by_dask, np.zeros(4), jac=True, method="L-BFGS-B")
    whole = penalised(X=X, y=y).value_and_gradient
    wanted = scipy.optimize.minimize(whole, np.zeros(4), jac=True, method="L-BFGS-B")
    assert found.nit == wanted.nit
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-10)


def test_formulas_and_oracles_run_on_a_cluster(client: Any) -> None:
    lazy = [by_chunks() for by_chunks, _ in BATCHES.values()]
    found = client.gather(client.compute(lazy))
    for pair, (_, by_numpy) in zip(found, BATCHES.values(), strict=True):
        for result, expected in zip(pair, by_numpy(), strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", matgrad.linalg.__all__)
def test_kernels_run_on_a_cluster(client: Any, name: str) -> None:
    kernel, arguments = getattr(matgrad, name), arguments_of(name, rng, 3, (11,))
    lazy = results(kernel, *(cut(each, 4) for each in arguments))
    found = client.gather(client.compute(lazy))
    for result, expected in zip(found, results(kernel, *arguments), strict=True):
        np.testing.assert_array_equal(result, expected)


REFUSED: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "missing-constant-of-a-batch": (
        TypeError,
        "quadratic-form needs an array for A",
        lambda: adapter.value_and_gradient(FORM, cut(x, 4)),
    ),
    "unknown-constant": (
        TypeError,
        "takes the constants C; got B",
        lambda: adapter.value_and_gradient(likelihood(), cut(C, 4), B=cut(C, 4)),
    ),
    "shape": (
        ValueError,
        r"needs A of shape \(..., n, n\) where n = 3 as in x; got \(3,\)",
        lambda: adapter.value_and_gradient(FORM, cut(x, 4), A=cut(A[0, 0])),
    ),
    "shape-of-x": (
        ValueError,
        r"Oracle needs x of shape .* got \(11, 2, 3\)",
        lambda: adapter.value_and_gradient(likelihood(), cut(C[:, :2], 4)),
    ),
    "batches": (
        ValueError,
        r"the batches do not broadcast: \(11,\) of x, \(10,\) of A",
        lambda: adapter.value_and_gradient(FORM, cut(x, 4), A=cut(A[1:], 4)),
    ),
    "a-point-in-pieces": (
        ValueError,
        "Core dimension `'A_1'` consists of multiple chunks",
        lambda: adapter.value_and_gradient(FORM, cut(x, 4), A=cut(A, 4, 3, 2)),
    ),
    "unknown-lengths": (
        ValueError,
        r"value_and_gradient needs x of known lengths; got shape \(nan, 3\), which x.compute_chunk",
        lambda: adapter.value_and_gradient(FORM, cut(x, 4)[cut(x, 4)[:, 0] > 0], A=A[0]),
    ),
    "identity": (
        ValueError,
        "value_and_gradient needs a function; normal-equations is an identity",
        lambda: adapter.value_and_gradient(catalog["normal-equations"], cut(x, 4)),
    ),
    "residuals": (
        TypeError,
        "is a column, which has no value_and_gradient",
        lambda: adapter.value_and_gradient(Oracle("A*x", "x", A=A[0]), cut(x, 4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_computed(name: str) -> None:
    error, sentence, call = REFUSED[name]
    with pytest.raises(error, match=sentence):
        call()
