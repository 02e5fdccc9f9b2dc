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

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matgrad.adapters import pieces
from matgrad.adapters.pieces import Pieces, Subject, constant_axes, moving_constants
from matgrad.adapters.requirement import required
from matgrad.oracle import Oracle

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
        If data is not cut into chunks of whole rows, the subject is no sum over rows, or a shape
        does not fit.

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
    share = _Share(subject, np.asarray(x), whole, data)
    share.refuse_what_is_no_sum(data)
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


class _Share:
    """What some rows add to value and gradient: both of these rows, less both of no rows.

    What is not finite without rows is not subtracted, so that it is in the total.
    """

    def __init__(
        self, subject: Subject, x: Array, whole: Mapping[str, Any], data: "Mapping[str, DaskArray]"
    ) -> None:
        self.subject, self.x, self.whole, self.names = subject, x, whole, tuple(data)
        none = {name: np.zeros((0, *each.shape[1:]), each.dtype) for name, each in data.items()}
        value, gradient = pieces.value_and_gradient(subject, x, {**whole, **none})
        self.batch, self.shape = np.shape(value), np.shape(gradient)
        self.none = _flat(value, gradient)
        self.subtracted = np.where(np.isfinite(self.none), self.none, 0)

    def of(self, *rows: Array) -> Array:
        """Return value and gradient of rows, one behind the other."""
        constants = {**self.whole, **dict(zip(self.names, rows, strict=True))}
        return _flat(*pieces.value_and_gradient(self.subject, self.x, constants))

    def __call__(self, *rows: Array) -> Array:
        """Return the share as a row."""
        return (self.of(*rows) - self.subtracted)[None]

    def refuse_what_is_no_sum(self, data: "Mapping[str, DaskArray]") -> None:
        """Refuse a subject that is not, for two rows, the sum of itself for either."""
        pair = [_two_rows(each.shape[1:]) for each in data.values()]
        with suppress(np.linalg.LinAlgError):
            both, *single = (
                self.of(*(rows[part] for rows in pair))
                for part in (slice(0, 2), slice(0, 1), slice(1, 2))
            )
            if np.isfinite([both, *single]).all() and not _are_equal(both, sum(single) - self.none):
                raise ValueError(
                    f"total_value_and_gradient needs a sum over the rows of {', '.join(data)}; "
                    f"got {_text(self.subject)}"
                )


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
    if len({each.shape[0] for each in data.values()}) > 1:
        listed = ", ".join(f"{name} {each.shape}" for name, each in data.items())
        raise ValueError(f"total_value_and_gradient needs as many rows everywhere; got {listed}")


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


def _flat(value: Any, gradient: Array) -> Array:
    return np.concatenate([np.ravel(value), np.ravel(gradient)])


def _two_rows(shape: tuple[int, ...]) -> Array:
    """Return two rows of different numbers between 1/2 and 3/2."""
    return np.linspace(0.5, 1.5, 2 * prod(shape)).reshape(2, *shape)


def _are_equal(some: Array, others: Array) -> bool:
    """Return whether arrays differ by rounding only."""
    tolerance = np.sqrt(np.finfo(some.dtype).eps) * np.abs(others).max(initial=0)
    return bool((np.abs(some - others) <= tolerance).all())


def _text(subject: Subject) -> str:
    return str(subject.expression if isinstance(subject, Oracle) else subject.value)
