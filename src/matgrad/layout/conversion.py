"""A derivative from one layout to another: numerator, denominator, tensor, vec, or any order."""

from typing import Any, Literal, get_args

from numpy.typing import ArrayLike, NDArray

from matgrad.layout.axes import Axes, Sizes, regroup

Layout = Literal["numerator", "denominator", "tensor", "vec", "vec-row-major"]


def convert(
    D: ArrayLike,
    source: Layout,
    target: Layout,
    *,
    out_ndim: int,
    in_ndim: int,
    out_shape: tuple[int, ...] | None = None,
    in_shape: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    """Return the derivative `D`, given in the layout `source`, in the layout `target`.

    ================  ==================  ===========  ===========  ============  ========
    function          of                  numerator    denominator  tensor        vec
    ================  ==================  ===========  ===========  ============  ========
    scalar            scalar              ()           ()           ()            (1, 1)
    scalar            vector (n)          (1, n)       (n,)         (n,)          (1, n)
    scalar            matrix (n, m)       (m, n)       (n, m)       (n, m)        (1, nm)
    vector (m)        scalar              (m,)         (1, m)       (m,)          (m, 1)
    vector (m)        vector (n)          (m, n)       (n, m)       (m, n)        (m, n)
    vector (p)        matrix (n, m)       none         none         (p, n, m)     (p, nm)
    matrix (p, q)     scalar              (p, q)       (q, p)       (p, q)        (pq, 1)
    matrix (p, q)     vector (n)          none         none         (p, q, n)     (pq, n)
    matrix (p, q)     matrix (n, m)       none         none         (p, q, n, m)  (pq, nm)
    ================  ==================  ===========  ===========  ============  ========

    A column is an array (n,), a row is (1, n). Batch axes lead, in any number.

    Parameters
    ----------
    D : array_like
        The derivative: batch axes, then the axes that the table gives for `source`.
    source, target : {"numerator", "denominator", "tensor", "vec", "vec-row-major"}
        "tensor" has the output axes, then the input axes. "vec" is the matrix
        d vec F / d (vec X)' of Magnus and Neudecker, which stacks columns; "vec-row-major" stacks
        rows instead, as NumPy's ``ravel`` does.
    out_ndim, in_ndim : int
        The number of axes of a value of F and of X: 0 for a scalar, 1 for a vector, 2 for a matrix.
    out_shape, in_shape : tuple of int, optional
        The shapes of a value of F and of X, without batch axes. They are needed where a vec of a
        matrix is taken apart, because its length 6 does not tell (2, 3) from (3, 2); the whole
        shape is asked for, not the number of rows alone, since it is at hand as ``X.shape`` and is
        checked against `D`. Elsewhere they may be left out; where given, they are checked.

    Returns
    -------
    ndarray
        A view of `D`, save where a vec of a matrix is made: there columns have to be gathered, and
        the result is a copy unless the memory of `D` is in that order already. Arrays for which
        NumPy's ``reshape`` and ``transpose`` dispatch, such as Dask's, stay of their kind.

    Raises
    ------
    ValueError
        If a layout is unknown, does not exist for these ranks, or `D` does not have its shape; or
        if a vec of a matrix is to be taken apart and its shape is not given.

    Notes
    -----
    Source: lecture-a, introduction; lecture-b, section 1. Numerator layout is the transpose of
    denominator layout wherever the two exist. The lectures leave out a matrix function of a
    scalar; that rule settles it here. Authors who print dF/dx in the shape of F under the name of
    denominator layout (the Matrix Cookbook among them) mean "tensor".

    Examples
    --------
    The gradient of tr(AX) in denominator layout is A', which makes A its numerator layout:

    >>> import numpy as np
    >>> from matgrad.layout import convert
    >>> A = np.array([[1, 2, 3], [4, 5, 6]])
    >>> convert(A.T, "denominator", "numerator", out_ndim=0, in_ndim=2)
    array([[1, 2, 3],
           [4, 5, 6]])
    >>> convert(A.T, "denominator", "vec", out_ndim=0, in_ndim=2)
    array([[1, 2, 3, 4, 5, 6]])
    >>> convert([[1, 2, 3, 4, 5, 6]], "vec", "tensor", out_ndim=0, in_ndim=2, in_shape=(3, 2))
    array([[1, 4],
           [2, 5],
           [3, 6]])
    """
    here = _axes(source, out_ndim, in_ndim)
    there = _axes(target, out_ndim, in_ndim)
    sizes = _given("out", out_shape, "ij"[:out_ndim]) | _given("in", in_shape, "kl"[:in_ndim])
    for group in here:
        if len(group) > 1 and group not in there and group[0] not in sizes:
            side = "out" if group[0] in "ij" else "in"
            raise ValueError(
                f"convert from {source!r} to {target!r} takes apart the vec of a matrix, which "
                f"needs {side}_shape=(rows, columns); got {side}_shape=None"
            )
    return regroup(f"convert from {source!r}", D, here, there, sizes)


def reorder(D: ArrayLike, indices: str) -> NDArray[Any]:
    """Return a view of `D` with its last axes in another order, written as for ``numpy.einsum``.

    For an order that has no name, and for ranks beyond those of `convert`.

    Parameters
    ----------
    D : array_like
        Batch axes, then an axis for each index.
    indices : str
        Such as ``"ijkl->klij"``: each index once on either side. Batch axes are not named.

    Returns
    -------
    ndarray
        A view of `D`, never a copy.

    Raises
    ------
    ValueError
        If `indices` is not a permutation, or `D` has fewer axes than it names.

    Examples
    --------
    >>> import numpy as np
    >>> from matgrad.layout import reorder
    >>> reorder(np.zeros((10, 2, 3, 4, 5)), "ijkl->klij").shape
    (10, 4, 5, 2, 3)
    """
    source, _, target = indices.replace(" ", "").partition("->")
    if not source.isalpha() or len(set(source)) < len(source) or sorted(source) != sorted(target):
        raise ValueError(
            f"reorder expects each index once on either side, as in 'ijkl->klij' (batch axes are "
            f"not named); got {indices!r}"
        )
    return regroup("reorder", D, tuple(source), tuple(target))


# Output indices are i, j and input indices are k, l, as in dF_ij/dX_kl. The lectures' table:
# (out_ndim, in_ndim) -> numerator layout, denominator layout. Other ranks have neither.
_NUMERATOR_AND_DENOMINATOR: dict[tuple[int, int], tuple[Axes, Axes]] = {
    (0, 0): ((), ()),
    (0, 1): (("", "k"), ("k",)),
    (0, 2): (("l", "k"), ("k", "l")),
    (1, 0): (("i",), ("", "i")),
    (1, 1): (("i", "k"), ("k", "i")),
    (2, 0): (("i", "j"), ("j", "i")),
}
_RANKS = ("scalar", "vector", "matrix")


def _axes(layout: str, out_ndim: int, in_ndim: int) -> Axes:
    """Return the axes of a derivative in `layout`, as groups of the indices ij and kl."""
    if out_ndim not in range(3) or in_ndim not in range(3):
        raise ValueError(
            "convert expects out_ndim and in_ndim to be 0 (scalar), 1 (vector) or 2 (matrix); "
            f"got out_ndim={out_ndim}, in_ndim={in_ndim}"
        )
    outputs, inputs = "ij"[:out_ndim], "kl"[:in_ndim]
    match layout:
        case "tensor":
            return tuple(outputs + inputs)
        case "vec":
            return outputs[::-1], inputs[::-1]
        case "vec-row-major":
            return outputs, inputs
        case "numerator" | "denominator":
            return _numerator_or_denominator(layout, out_ndim, in_ndim)
    known = ", ".join(map(repr, get_args(Layout)))
    raise ValueError(f"convert knows the layouts {known}; got {layout!r}")


def _numerator_or_denominator(layout: str, out_ndim: int, in_ndim: int) -> Axes:
    try:
        numerator, denominator = _NUMERATOR_AND_DENOMINATOR[out_ndim, in_ndim]
    except KeyError:
        raise ValueError(
            f"convert knows no {layout} layout for a {_RANKS[out_ndim]} by a {_RANKS[in_ndim]}, "
            f"whose derivative has {out_ndim + in_ndim} axes; use 'tensor' or 'vec'"
        ) from None
    return numerator if layout == "numerator" else denominator


def _given(side: str, shape: tuple[int, ...] | None, indices: str) -> Sizes:
    """Return the size of each of the `indices` as the keyword `side`_shape gives it."""
    if shape is None:
        return {}
    if len(shape) != len(indices):
        raise ValueError(
            f"convert expects {side}_shape to have {len(indices)} entries, as many as {side}_ndim; "
            f"got {side}_shape={shape}"
        )
    return dict(zip(indices, shape, strict=True))
