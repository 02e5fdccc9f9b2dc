"""xarray with kernels, oracles and formulas: dimensions by name, in memory and in chunks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import matgrad
from matgrad import Oracle, catalog
from matgrad.linalg import __all__ as KERNELS

xarray = pytest.importorskip("xarray")
da = pytest.importorskip("dask.array")
adapter = pytest.importorskip("matgrad.adapters.xarray")

Array = NDArray[Any]

rng = np.random.default_rng(0)
labels = {"row": list("abc"), "column": list("uvw"), "day": range(7)}
X = xarray.DataArray(rng.normal(size=(3, 7, 3)), dims=("row", "day", "column"), coords=labels)
A = xarray.DataArray(rng.normal(size=(3, 5, 3)), dims=("column", "run", "other"))
x = xarray.DataArray(rng.normal(size=(3, 7)), dims=("column", "day"))
MATRIX = X.transpose("day", "row", "column").values

FORM = catalog["quadratic-form"]
LIKELIHOOD = "logdet(S) + tr(inv(S)*C)"
definite = xarray.DataArray(MATRIX @ MATRIX.mT + np.eye(3), dims=("day", "i", "j"))

# The dimensions of one matrix of each argument, and arguments with a batch each of its own.
CHAIN = (("row", "column"), ("column", "other"), ("row", "again"))
ARGUMENTS: dict[int, tuple[list[Any], Any]] = {
    1: ([X], CHAIN[0]),
    2: ([A, X.rename(row="other")], (("column", "other"), ("other", "column"))),
    3: ([X, A, X.isel(day=0, drop=True).rename(column="again")], CHAIN),
}


def cut(array: Any) -> Any:
    """Return an array in chunks along the dimensions that are no matrix's."""
    return array.chunk({name: 3 for name in ("day", "run") if name in array.dims})


def tuple_of(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)


def by_numpy(kernel: np.ufunc, arrays: list[Any], dims: Any) -> tuple[Array, ...]:
    """Return the results with the batch (run, day), as far as arguments have it."""
    sets = [dims] if len(arrays) == 1 else dims
    several = len(arrays) > 1
    plain = []
    for array, own in zip(arrays, sets, strict=True):
        for name in ("run", "day") if several else ():
            array = array if name in array.dims else array.expand_dims(name)
        batch = ("run", "day") if several else ("day",)
        plain.append(array.transpose(*batch, *own).values)
    return tuple_of(kernel(*plain))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_find_their_matrices_by_name(name: str, chunked: bool) -> None:
    kernel = getattr(matgrad, name)
    arrays, dims = ARGUMENTS[kernel.nin]
    given = [cut(array) for array in arrays] if chunked else arrays
    expected = by_numpy(kernel, arrays, dims)
    batch = ("day",) if kernel.nin == 1 else ("run", "day")
    for result, whole in zip(
        tuple_of(adapter.apply(kernel, *given, dims=dims)), expected, strict=True
    ):
        assert isinstance(result.data, da.Array) == chunked
        own = ("column", "row") if name in ("inv", "adjugate") else ("row", "column")
        ordered = result.transpose(*batch, *(own if whole.ndim > len(batch) else ()))
        assert ordered.dtype == whole.dtype
        np.testing.assert_array_equal(ordered.values, whole)


def test_labels_stay_with_their_rows_and_columns() -> None:
    inverse = adapter.apply(matgrad.inv, X, dims=("row", "column"))
    assert inverse.dims == ("day", "column", "row")
    assert list(inverse.coords["row"].values) == list("abc")
    product = (inverse.sel(column="v") * X.sel(column="v")).sum("row")
    np.testing.assert_allclose(product, np.ones(7), rtol=1e-12)


def test_a_dataset_has_its_variables_and_options_reach_xarray() -> None:
    data = xarray.Dataset({"first": X, "second": 2 * X}, attrs={"title": "matrices"})
    found = adapter.apply(matgrad.det, data, dims=("row", "column"), keep_attrs=True)
    assert found.attrs == data.attrs
    np.testing.assert_allclose(found["second"], 8 * found["first"], rtol=1e-13)


@pytest.mark.parametrize("join", ["inner", "outer", "left", "right"])
def test_arrays_in_chunks_are_joined_as_those_in_memory(join: str) -> None:
    some = X.isel(day=slice(5)).drop_vars(["row", "column"])
    others = X.isel(day=slice(1, 7)).drop_vars(["row", "column"])
    dims = (("row", "column"), ("column", "row"))

    def traces(*arrays: Any, **options: Any) -> Any:
        return adapter.apply(matgrad.trace_product, *arrays, dims=dims, **options)

    found = traces(cut(some), others.chunk(day=2), join=join)
    assert isinstance(found.data, da.Array)
    xarray.testing.assert_allclose(found.compute(), traces(some, others, join=join))
    with pytest.raises(ValueError, match="cannot align objects with join='exact'"):
        traces(cut(some), cut(others))


def form(A: Any, **keywords: Any) -> Any:
    return adapter.value_and_gradient(FORM, x, dims=["column"], A=A, **keywords)


OWN = {"A": ("column", "other")}
plain = x.transpose("day", "column").values
A_runs = A.transpose("run", "column", "other").values

# Each by names, and by NumPy with the batch (day) or (run, day).
POINTS: dict[str, tuple[Callable[[Callable[[Any], Any]], Any], Callable[[], Any]]] = {
    "formula": (
        lambda cut: adapter.value_and_gradient(
            catalog["determinant"], cut(X), dims=("row", "column")
        ),
        lambda: catalog["determinant"].value_and_gradient(X=MATRIX),
    ),
    "constants-with-another-batch": (
        lambda cut: adapter.value_and_gradient(
            FORM, cut(x), dims=["column"], constant_dims=OWN, A=cut(A)
        ),
        lambda: FORM.value_and_gradient(x=plain, A=A_runs[:, None]),
    ),
    "constants-without-names": (
        lambda cut: adapter.value_and_gradient(FORM, cut(x), dims=["column"], A=A_runs[0]),
        lambda: FORM.value_and_gradient(x=plain, A=A_runs[0]),
    ),
    "oracle": (
        lambda cut: adapter.value_and_gradient(
            Oracle(LIKELIHOOD, "S", C=np.eye(3)), cut(definite), dims=("i", "j")
        ),
        lambda: Oracle(LIKELIHOOD, "S", C=np.eye(3)).value_and_gradient(definite.values),
    ),
    "oracle-of-float32": (
        lambda cut: adapter.value_and_gradient(
            Oracle("alpha*norm(S)^2", "S", alpha=1.0), cut(X.astype("f")), dims=CHAIN[0], alpha=2
        ),
        lambda: Oracle("2*norm(S)^2", "S").value_and_gradient(MATRIX.astype("f")),
    ),
    "numbers-of-a-batch": (
        lambda cut: adapter.value_and_gradient(
            Oracle("tr(S) + alpha", "S", alpha=1.0),
            X.isel(day=0),
            dims=CHAIN[0],
            alpha=cut(xarray.DataArray(np.arange(4.0), dims="run")),
        ),
        lambda: Oracle("tr(S) + alpha", "S", alpha=np.arange(4.0)).value_and_gradient(MATRIX[0]),
    ),
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", POINTS)
def test_points_are_what_is_left_of_the_dimensions(name: str, chunked: bool) -> None:
    by_names, by_numpy = POINTS[name]
    for result, whole in zip(by_names(cut if chunked else lambda a: a), by_numpy(), strict=True):
        assert isinstance(result.data, da.Array) == chunked
        names = [name for name in ("run", "day", "row", "i", "column", "j") if name in result.dims]
        assert result.dtype == whole.dtype
        rounding = 100 * np.finfo(whole.dtype).eps
        found = result.transpose(*names).values
        np.testing.assert_allclose(found, whole, rtol=rounding, atol=rounding)


def test_a_gradient_has_the_labels_of_x() -> None:
    _, gradient = adapter.value_and_gradient(catalog["determinant"], X, dims=("row", "column"))
    assert gradient.dims == ("day", "row", "column")
    assert all(gradient.coords[name].equals(X.coords[name]) for name in labels)


REFUSED: dict[str, tuple[str, Callable[[], Any]]] = {
    "no-kernel": (
        "apply takes a kernel of matgrad.linalg; got matmul",
        lambda: adapter.apply(np.matmul, X, X, dims=CHAIN[:2]),
    ),
    "too-few-dims": (
        r"for the rows and the columns of each argument of trace_product.*; "
        r"got \('row', 'column'\)",
        lambda: adapter.apply(matgrad.trace_product, X, X, dims=("row", "column")),
    ),
    "one-dimension": (
        "for the rows and the columns of each argument of det",
        lambda: adapter.apply(matgrad.det, X, dims=["row"]),
    ),
    "a-dimension-that-is-not-there": (
        "apply needs two dimensions of each argument; got row, zz for one that has",
        lambda: adapter.apply(matgrad.det, X, dims=("row", "zz")),
    ),
    "one-dimension-twice": (
        "apply needs two dimensions of each argument; got row, row for one that has",
        lambda: adapter.apply(matgrad.det, X, dims=("row", "row")),
    ),
    "dims-of-x": (
        r"value_and_gradient needs 1 names in dims; got \('day', 'column'\)",
        lambda: adapter.value_and_gradient(FORM, x, dims=["day", "column"], A=np.eye(3)),
    ),
    "no-dims-of-a-constant": (
        r"needs A as a DataArray with 2 names in constant_dims, .*; got \(\)",
        lambda: form(A),
    ),
    "a-batch-without-names": (
        r"needs A as a DataArray with 2 names .*; got \('A_0', 'A_1', 'A_2'\)",
        lambda: form(A_runs),
    ),
    "a-batch-of-the-oracle": (
        "needs C as a DataArray with 2 names .*; got a batch of the oracle",
        lambda: adapter.value_and_gradient(
            Oracle(LIKELIHOOD, "S", C=definite.values), definite, dims=("i", "j")
        ),
    ),
    "shape": (
        r"needs A of shape \(..., n, n\) where n = 3 as in x; got",
        lambda: form(np.eye(2)),
    ),
    "no-gradient": (
        "value_and_gradient needs a gradient; got <Formula least-squares-hessian",
        lambda: adapter.value_and_gradient(
            catalog["least-squares-hessian"], x, dims=["column"], X=MATRIX[0], y=plain[0]
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence(name: str) -> None:
    sentence, call = REFUSED[name]
    with pytest.raises(ValueError, match=sentence):
        call()


def test_an_array_without_names_is_refused() -> None:
    for arrays in ([MATRIX], [X, MATRIX]):
        kernel = (matgrad.det, matgrad.trace_product)[len(arrays) - 1]
        with pytest.raises(TypeError, match="apply needs a DataArray or a Dataset; got ndarray"):
            adapter.apply(
                kernel, *arrays, dims=[("row", "column"), ("column", "row")][: len(arrays)]
            )


def test_an_unknown_constant_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match="quadratic-form has no variable B; it takes x, A"):
        form(np.eye(3), B=1.0)
