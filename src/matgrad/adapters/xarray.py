"""Kernels, oracles and formulas over the named dimensions of xarray.

>>> import numpy as np
>>> import xarray
>>> import matgrad
>>> from matgrad.adapters.xarray import apply
>>> X = xarray.DataArray(
...     [[[2.0, 1.0], [1.0, 3.0]], [[1.0, 2.0], [2.0, 4.0]]],
...     dims=("day", "row", "column"),
...     coords={"day": ["Monday", "Tuesday"]},
... )
>>> value, gradient = apply(matgrad.det_and_gradient, X, dims=("row", "column"))
>>> float(value.sel(day="Monday"))
5.0
>>> gradient.dims
('day', 'row', 'column')

Data in chunks of Dask stays lazy. A matrix lies in one chunk; all other dimensions may be cut.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from matgrad import linalg
from matgrad.adapters.pieces import Pieces, Subject, constant_axes, moving_constants
from matgrad.adapters.requirement import required

if TYPE_CHECKING:
    from xarray import DataArray

Dims: TypeAlias = Sequence[str]

# Their results are maps back: the rows have the labels of the columns of the argument.
INVERSES = ("inv", "adjugate")


def apply(kernel: np.ufunc, *arrays: Any, dims: Dims | Sequence[Dims], **options: Any) -> Any:
    """Return the results of a kernel over named dimensions.

    Parameters
    ----------
    kernel : numpy.ufunc
        One of `matgrad.linalg`.
    *arrays : DataArray or Dataset
        Its arguments; dimensions that are not in `dims` are a batch, and broadcast by name.
    dims : sequence of str, or a sequence of those
        The dimensions of rows and columns, for each argument.
    **options
        Other arguments of `xarray.apply_ufunc`, such as ``keep_attrs`` and ``join``.

    Returns
    -------
    DataArray or Dataset, or a tuple of them
        A gradient has the dimensions of X, an inverse or adjugate those of X in the other order.

    Raises
    ------
    TypeError
        If an argument is no DataArray or Dataset.
    ValueError
        If it is no kernel of `matgrad.linalg`, or `dims` does not name two dimensions for each
        argument.

    Examples
    --------
    >>> import matgrad
    >>> import xarray
    >>> from matgrad.adapters.xarray import apply
    >>> A = xarray.DataArray([[1.0, 2.0]], dims=("day", "item"))
    >>> X = xarray.DataArray([[3.0], [4.0]], dims=("item", "day"))
    >>> float(apply(matgrad.trace_product, A, X, dims=(("day", "item"), ("item", "day"))))
    11.0
    """
    xarray = required("xarray", "xarray", "xarray")
    inputs = _dims_of_arguments(kernel, dims)
    for each, (rows, columns) in zip(arrays, inputs, strict=False):
        if not isinstance(each, xarray.DataArray | xarray.Dataset):
            raise TypeError(f"apply needs a DataArray or a Dataset; got {type(each).__name__}")
        if rows == columns or not {rows, columns} <= set(each.dims):
            raise ValueError(
                f"apply needs two dimensions of each argument; got {rows}, {columns} for one that "
                f"has {', '.join(map(str, each.dims))}"
            )
    own = inputs[0][::-1] if kernel.__name__ in INVERSES else inputs[0]
    results = str(kernel.signature).split("->")[1].split("),")
    return xarray.apply_ufunc(
        kernel,
        *_aligned(arrays, options.get("join", "exact"), options.get("exclude_dims", ())),
        input_core_dims=inputs,
        output_core_dims=[own if "n" in each else () for each in results],
        dask="parallelized",
        **options,
    )


def value_and_gradient(
    subject: Subject,
    x: "DataArray",
    /,
    *,
    dims: Dims,
    constant_dims: Mapping[str, Dims] | None = None,
    **constants: Any,
) -> "tuple[DataArray, DataArray]":
    """Return value and gradient of a scalar, at each point of the dimensions that are not its own.

    Parameters
    ----------
    subject : Oracle or Formula
        A scalar.
    x : DataArray
        The points: the variable that moves, or a flat vector of all of them.
    dims : sequence of str
        The dimensions of one point. The gradient has them, too.
    constant_dims : mapping of str to sequence of str, optional
        The dimensions that a constant has at one point, for each that is a DataArray and not a
        number there. What is left of them is a batch, which broadcasts by name.
    **constants : DataArray, array_like or number
        The other variables of a formula; of an oracle those that replace its own. What is no
        DataArray is the same for all points.

    Returns
    -------
    value, gradient : DataArray
        Lazy, where x or a constant is in chunks.

    Raises
    ------
    TypeError
        If a constant is missing or has no variable.
    ValueError
        If a shape does not fit, the subject is no scalar, or a batch has no names.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> from matgrad import Oracle
    >>> from matgrad.adapters.xarray import value_and_gradient
    >>> x = xarray.DataArray(np.eye(2), dims=("feature", "run"), coords={"run": ["a", "b"]})
    >>> oracle = Oracle("x'*A*x", "x", A=[[2.0, 0.0], [0.0, 3.0]])
    >>> value, gradient = value_and_gradient(oracle, x, dims=["feature"])
    >>> value.to_series().to_dict()
    {'a': 2.0, 'b': 3.0}
    >>> gradient.sel(run="b").values
    array([0., 6.])
    """
    xarray = required("xarray", "xarray", "xarray")
    numbers = {name: each for name, each in constants.items() if np.isscalar(each)}
    labelled = _labelled(subject, constants, constant_dims or {})
    arrays = [x, *(array for array, _ in labelled.values())]
    inputs = [tuple(dims), *(own for _, own in labelled.values())]
    first, *others = map(_first_point, arrays, inputs)
    points = dict(zip(labelled, others, strict=True))
    function = Pieces(subject, first, {**numbers, **points})
    _refuse_dims(subject, function, dims)
    value, gradient = xarray.apply_ufunc(
        function,
        *_aligned(arrays),
        input_core_dims=inputs,
        output_core_dims=[(), dims],
        dask="parallelized",
        output_dtypes=[function.value.dtype, function.gradient.dtype],
    )
    return value, gradient


def _dims_of_arguments(kernel: np.ufunc, dims: Dims | Sequence[Dims]) -> list[Dims]:
    """Return the dimensions of each argument."""
    if kernel is not getattr(linalg, kernel.__name__, None):
        raise ValueError(f"apply takes a kernel of matgrad.linalg; got {kernel.__name__}")
    found: list[Any] = [dims] if all(isinstance(each, str) for each in dims) else list(dims)
    if [len(each) for each in found] != [2] * kernel.nin:
        raise ValueError(
            f"apply needs dims for the rows and the columns of each argument of "
            f"{kernel.__name__}{kernel.signature}; got {dims}"
        )
    return found


def _aligned(arrays: Sequence[Any], join: str = "exact", exclude: Any = ()) -> tuple[Any, ...]:
    """Return arrays with the same labels, and then in the same chunks.

    `xarray.apply_ufunc` aligns, too, but chunks of arrays of different lengths have no common ones.
    """
    xarray = required("xarray", "xarray", "xarray")
    aligned = xarray.align(*arrays, join=join, exclude=exclude, copy=False)
    return tuple(xarray.unify_chunks(*aligned))


def _labelled(
    subject: Subject, constants: Mapping[str, Any], dims: Mapping[str, Dims]
) -> "dict[str, tuple[DataArray, tuple[str, ...]]]":
    """Return the constants that are arrays, each with the dimensions of one point.

    What comes without names gets some that nothing else has.
    """
    xarray = required("xarray", "xarray", "xarray")
    found = {}
    for name, each in constants.items():
        if isinstance(each, xarray.DataArray):
            found[name] = each, tuple(dims.get(name, ()))
        elif not np.isscalar(each):
            own = tuple(f"{name}_{axis}" for axis in range(np.ndim(each)))
            found[name] = xarray.DataArray(np.asarray(each), dims=own), own
    _refuse_batches_without_names(subject, {name: own for name, (_, own) in found.items()})
    return found


def _refuse_batches_without_names(subject: Subject, dims: Mapping[str, Dims]) -> None:
    """Refuse a constant that has not the dimensions of one point, and an oracle's own batch."""
    axes = constant_axes(subject)
    wrong = [name for name, own in dims.items() if len(own) != axes.get(name, len(own))]
    wrong += [name for name in moving_constants(subject, {}) if name not in dims]
    if wrong:
        raise ValueError(
            f"value_and_gradient needs {wrong[0]} as a DataArray with {axes[wrong[0]]} names in "
            f"constant_dims, or without a batch; got {dims.get(wrong[0], 'a batch of the oracle')}"
        )


def _first_point(array: "DataArray", own: Dims) -> "DataArray":
    """Return the first point, with its own dimensions last; the others have the length 1, or 0."""
    batch = [name for name in array.dims if name not in own]
    return array.isel({name: slice(1) for name in batch}).transpose(*batch, *own)


def _refuse_dims(subject: Subject, function: Pieces, dims: Dims) -> None:
    """Refuse names for more or fewer axes than a point has, and what is no scalar."""
    count = next(iter(function.cores.values()))
    if len(dims) != count:
        raise ValueError(f"value_and_gradient needs {count} names in dims; got {tuple(dims)}")
    if function.value.ndim > 1 or function.gradient.ndim != count + 1:
        raise ValueError(f"value_and_gradient needs a gradient; got {subject!r}")
