"""Oracles and formulas on Dask arrays: batches in chunks, sums over more rows than memory holds.

The kernels need no adapter, for Dask hands chunks of a batch to generalized ufuncs by itself:

>>> import dask.array as da
>>> import numpy as np
>>> import matgrad
>>> X = da.from_array(np.full((6, 2, 2), [[2.0, 1.0], [1.0, 3.0]]), chunks=(4, 2, 2))
>>> value, gradient = matgrad.det_and_gradient(X)
>>> value.chunks
((4, 2),)
>>> gradient[-1].compute()
array([[ 3., -1.],
       [-1.,  2.]])

All results are lazy, and run where Dask runs them: in threads, or on the workers of a
`dask.distributed.Client`, which need matgrad installed.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import ArrayLike, NDArray

from matgrad.adapters.pieces import Pieces, Subject, constant_axes, moving_constants
from matgrad.adapters.requirement import required
from matgrad.adapters.shares import Share

if TYPE_CHECKING:
    from dask.array import Array as DaskArray

Array: TypeAlias = NDArray[Any]


def value_and_gradient(
    subject: Subject, x: Any, /, **constants: Any
) -> "tuple[DaskArray, DaskArray]":
    """Return value and gradient of an oracle or a formula at each point of a batch in chunks.

    Parameters
    ----------
    subject : Oracle or Formula
        What is computed. A formula may also be a Jacobian, a Hessian or a differential.
    x : dask.array.Array
        The points: as `Oracle.value_and_gradient` takes them, or for a formula the variable by
        which it is differentiated. One point lies in one chunk.
    **constants : dask.array.Array, array_like or number
        The other variables of a formula; of an oracle those that replace its own. Their batches
        are cut as that of x is.

    Returns
    -------
    value, gradient : dask.array.Array
        In the chunks of the batch.

    Raises
    ------
    TypeError
        If a constant is missing or has no variable.
    ValueError
        If a shape does not fit, or a point lies in several chunks.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from matgrad import catalog
    >>> from matgrad.adapters.dask import value_and_gradient
    >>> A = da.from_array(np.stack([np.eye(2), 2 * np.eye(2)]), chunks=(1, 2, 2))
    >>> value, gradient = value_and_gradient(catalog["quadratic-form"], np.ones(2), A=A)
    >>> gradient.compute()
    array([[2., 2.],
           [4., 4.]])
    """
    da = required("dask.array", "dask", "Dask")
    constants = {
        name: each if np.isscalar(each) else da.asarray(each)
        for name, each in moving_constants(subject, constants).items()
    }
    x = da.asarray(x)
    _refuse_unknown_lengths("value_and_gradient", {"x": x, **constants})
    function = Pieces(subject, x, constants)
    arrays = [x, *(constants[name] for name in function.names)]
    empty = function.value, function.gradient
    inputs = [_names(name, core) for name, core in function.cores.items()]
    outputs = [_names(str(place), each.ndim - 1) for place, each in enumerate(empty)]
    lengths = (length for each in empty for length in each.shape[1:])
    value, gradient = da.apply_gufunc(
        function,
        f"{_signature(inputs)}->{_signature(outputs)}",
        *_in_the_same_chunks(arrays, inputs),
        output_dtypes=[each.dtype for each in empty],
        output_sizes=dict(zip(chain(*outputs), lengths, strict=True)),
    )
    return value, gradient


def total_value_and_gradient(
    subject: Subject, x: ArrayLike, /, **constants: Any
) -> "tuple[DaskArray, DaskArray]":
    """Return value and gradient at x of a sum over the rows of a data set in chunks.

    The chunks are evaluated one by one and added, so that they may come from files larger than
    memory. What the data does not enter, such as a penalty, counts once.

    Parameters
    ----------
    subject : Oracle or Formula
        A sum over rows, and anything that does not depend on the data. An oracle may be of any
        few rows, even none: its constants are replaced.
    x : array_like
        As for `value_and_gradient`, but in memory, since every chunk needs it.
    **constants : dask.array.Array, array_like or number
        Dask arrays are the data, cut along their first axis. All else is taken whole.

    Returns
    -------
    value, gradient : dask.array.Array
        ``dask.compute(value, gradient)`` is what an optimizer asks for.

    Raises
    ------
    TypeError
        If nothing is a Dask array.
    ValueError
        If data is not cut into chunks of whole rows, the subject is no sum over rows, as far as
        some random ones show, or a shape does not fit.

    Examples
    --------
    >>> import dask
    >>> import dask.array as da
    >>> import numpy as np
    >>> from matgrad import catalog
    >>> from matgrad.adapters.dask import total_value_and_gradient
    >>> X, y = da.ones((1000, 2), chunks=(100, 2)), da.arange(1000.0, chunks=100)
    >>> loss = catalog["least-squares"]
    >>> dask.compute(*total_value_and_gradient(loss, np.zeros(2), X=X, y=y))
    (array(3.328335e+08), array([-999000., -999000.]))
    """
    da = required("dask.array", "dask", "Dask")
    data = {name: each for name, each in constants.items() if isinstance(each, da.Array)}
    whole = {name: each for name, each in constants.items() if name not in data}
    _check_rows(subject, data)
    share = Share(subject, np.asarray(x), whole, data)
    pairs = [(each, ("rows", *_names(name, each.ndim - 1))) for name, each in data.items()]
    shares = da.blockwise(
        share,
        ("rows", "entries"),
        *chain(*pairs),
        new_axes={"entries": share.none.size},
        adjust_chunks={"rows": 1},
        concatenate=True,
        meta=np.empty((0, 0), share.none.dtype),
    )
    total = share.none + shares.sum(axis=0)
    count = prod(share.batch)
    return total[:count].reshape(share.batch), total[count:].reshape(share.shape)


def rows_of_file(path: "str | PathLike[str]", rows: int) -> "DaskArray":
    """Return the array in a .npy file, cut into chunks of so many rows that are read when needed.

    `dask.array.from_array` would copy a memory-mapped array as a whole.

    Parameters
    ----------
    path : str or path
        The file, which workers find under the same name. It must not change.
    rows : int
        How many rows a chunk has; the last one may have fewer.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no .npy file of numbers with at least one axis, or a chunk has no row.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from matgrad.adapters.dask import rows_of_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/X.npy", np.arange(10.0).reshape(5, 2))
    ...     X = rows_of_file(f"{folder}/X.npy", 2)
    ...     print(X.chunks, X[-1].compute())
    ((2, 2, 1), (2,)) [8. 9.]
    """
    da = required("dask.array", "dask", "Dask")
    file = _File(path)
    if file.ndim == 0:
        raise ValueError(f"rows_of_file needs an array with rows; got a number in {path}")
    if file.dtype.kind not in "biufc":
        raise ValueError(f"rows_of_file needs an array of numbers; got {file.dtype} in {path}")
    if rows < 1:
        raise ValueError(f"rows_of_file needs at least one row in a chunk; got {rows}")
    return da.from_array(file, chunks=(rows, *file.shape[1:]))


class _File:
    """An array in a file, with what Dask asks of arrays that it cuts.

    Each part is mapped into memory by itself, so that its pages leave with it. The header is read
    once: NumPy has it parsed as Python, which before 3.11.9 fails in several threads at once
    (CPython's issue 106905).
    """

    def __init__(self, path: "str | PathLike[str]") -> None:
        self.path = os.path.abspath(path)
        mapped = open_memmap(self.path, mode="r")
        self.shape, self.ndim, self.dtype = mapped.shape, mapped.ndim, mapped.dtype
        self.offset = mapped.offset
        self.order: Literal["C", "F"] = "C" if mapped.flags.c_contiguous else "F"
        # Makes the names of chunks others when the file is.
        self.changed = os.stat(self.path).st_mtime_ns

    def __getitem__(self, index: Any) -> Array:
        mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)
        return np.array(mapped[index])


def _check_rows(subject: Subject, data: "Mapping[str, DaskArray]") -> None:
    """Refuse data that is not cut between rows, and only there."""
    if not data:
        raise TypeError("total_value_and_gradient needs the data as Dask arrays; got none")
    axes = constant_axes(subject)
    for name, each in data.items():
        if each.ndim == 0 or each.ndim != axes.get(name, each.ndim):
            raise ValueError(
                f"total_value_and_gradient needs {name} with a row for each observation and no "
                f"batch; got shape {each.shape}"
            )
        if any(len(chunks) > 1 for chunks in each.chunks[1:]):
            raise ValueError(
                f"total_value_and_gradient needs {name} in chunks of whole rows; "
                f"got chunks of shape {each.chunksize} in {each.shape}"
            )
    if len(data) > 1:
        _refuse_unknown_lengths("total_value_and_gradient", data)
    if len({each.shape[0] for each in data.values()}) > 1:
        listed = ", ".join(f"{name} {each.shape}" for name, each in data.items())
        raise ValueError(f"total_value_and_gradient needs as many rows everywhere; got {listed}")


def _refuse_unknown_lengths(function: str, arrays: Mapping[str, Any]) -> None:
    for name, each in arrays.items():
        if not np.isscalar(each) and np.isnan(each.shape).any():
            raise ValueError(
                f"{function} needs {name} of known lengths; got shape {each.shape}, which "
                f"{name}.compute_chunk_sizes() measures"
            )


def _names(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}_{axis}" for axis in range(count))


def _signature(axes: Sequence[Sequence[str]]) -> str:
    return ",".join(f"({','.join(each)})" for each in axes)


def _in_the_same_chunks(
    arrays: "Sequence[DaskArray]", cores: Sequence[tuple[str, ...]]
) -> "Sequence[DaskArray]":
    """Return the arrays with their batches cut at the same places."""
    core = required("dask.array.core", "dask", "Dask")
    pairs = [
        (each, (*range(len(own) - each.ndim, 0), *own))
        for each, own in zip(arrays, cores, strict=True)
    ]
    aligned: Sequence[DaskArray] = core.unify_chunks(*chain(*pairs))[1]
    return aligned
