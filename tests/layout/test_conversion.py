"""matgrad.layout.conversion, judged by complex steps of real functions and loops over indices."""

import itertools
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import dask.array
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matgrad.layout import Layout, convert, reorder

Array = NDArray[Any]
Index = tuple[int, ...]
Partial = Callable[[Index, Index], float]

LAYOUTS: tuple[Layout, ...] = ("numerator", "denominator", "tensor", "vec", "vec-row-major")
RANKS = tuple(itertools.product(range(3), range(3)))
TENSOR_ONLY = {(1, 2), (2, 1), (2, 2)}


def layouts_of(out_ndim: int, in_ndim: int) -> list[Layout]:
    """Return the layouts that exist for these ranks."""
    return [
        layout
        for layout in LAYOUTS
        if (out_ndim, in_ndim) not in TENSOR_ONLY or layout not in ("numerator", "denominator")
    ]


PAIRS = [(layout, ranks) for ranks in RANKS for layout in layouts_of(*ranks)]


# ---------------------------------------------------------------- the judge: entries by definition


def column_major(shape: Index) -> list[Index]:
    return sorted(np.ndindex(shape), key=lambda index: index[::-1])


def numerator(d: Partial, out: Index, inn: Index) -> Any:
    match out, inn:
        case (), ():
            return d((), ())
        case (), (n,):
            return [[d((), (j,)) for j in range(n)]]
        case (), (n, m):
            return [[d((), (t, s)) for t in range(n)] for s in range(m)]
        case (m,), ():
            return [d((i,), ()) for i in range(m)]
        case (m,), (n,):
            return [[d((i,), (j,)) for j in range(n)] for i in range(m)]
        case (p, q), ():
            return [[d((i, j), ()) for j in range(q)] for i in range(p)]
    raise AssertionError(f"no numerator layout for {out} by {inn}")


def denominator(d: Partial, out: Index, inn: Index) -> Any:
    match out, inn:
        case (), ():
            return d((), ())
        case (), (n,):
            return [d((), (j,)) for j in range(n)]
        case (), (n, m):
            return [[d((), (i, j)) for j in range(m)] for i in range(n)]
        case (m,), ():
            return [[d((i,), ()) for i in range(m)]]
        case (m,), (n,):
            return [[d((i,), (j,)) for i in range(m)] for j in range(n)]
        case (p, q), ():
            return [[d((i, j), ()) for i in range(p)] for j in range(q)]
    raise AssertionError(f"no denominator layout for {out} by {inn}")


def tensor(d: Partial, out: Index, inn: Index) -> Any:
    entries = [d(i, k) for i in np.ndindex(out) for k in np.ndindex(inn)]
    return np.reshape(entries, out + inn)


def vec(d: Partial, out: Index, inn: Index) -> Any:
    return [[d(i, k) for k in column_major(inn)] for i in column_major(out)]


def vec_row_major(d: Partial, out: Index, inn: Index) -> Any:
    return [[d(i, k) for k in np.ndindex(inn)] for i in np.ndindex(out)]


JUDGES: dict[Layout, Callable[[Partial, Index, Index], Any]] = {
    "numerator": numerator,
    "denominator": denominator,
    "tensor": tensor,
    "vec": vec,
    "vec-row-major": vec_row_major,
}


# ------------------------------------------------------- a real function for each pair of ranks

RNG = np.random.default_rng(7)
A, B, C = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 5)), RNG.normal(size=(3, 2))
a, b = RNG.normal(size=3), RNG.normal(size=2)

FUNCTIONS: dict[tuple[int, int], tuple[Callable[[Array], Array], Index]] = {
    (0, 0): (lambda t: np.exp(np.sin(t)), ()),
    (0, 1): (lambda x: x @ A.T @ A @ x + a @ x, (3,)),
    (0, 2): (lambda X: np.trace(C.T @ X) ** 3, (3, 2)),
    (1, 0): (lambda t: np.sin(a * t), ()),
    (1, 1): (lambda x: A @ (x * (x @ x)), (3,)),
    (1, 2): (lambda X: A @ X @ (b * (X.T @ a)), (3, 2)),
    (2, 0): (lambda t: np.cos(t * C) + t**2, ()),
    (2, 1): (lambda x: np.outer(A @ x, x * x), (3,)),
    (2, 2): (lambda X: A @ X @ X.T @ C @ B, (3, 2)),
}


def partials(f: Callable[[Array], Array], X: Array) -> Partial:
    """Return dF[i]/dX[k] by complex step: exact to the last digits, no layout in it."""

    def d(i: Index, k: Index) -> float:
        step = np.zeros(X.shape, complex)
        step[k] = 1e-30j
        return float(np.asarray(f(X + step))[i].imag / 1e-30)

    return d


def judged(layout: Layout, ranks: tuple[int, int]) -> Array:
    f, shape = FUNCTIONS[ranks]
    X = np.random.default_rng(11).normal(size=shape)
    return np.asarray(JUDGES[layout](partials(f, X), np.shape(f(X)), shape))


def shapes_of(ranks: tuple[int, int]) -> dict[str, Any]:
    f, shape = FUNCTIONS[ranks]
    return {
        "out_ndim": ranks[0],
        "in_ndim": ranks[1],
        "out_shape": np.shape(f(np.ones(shape))),
        "in_shape": shape,
    }


@pytest.mark.parametrize("ranks", RANKS, ids=str)
def test_functions_have_the_ranks_that_they_stand_for(ranks: tuple[int, int]) -> None:
    f, shape = FUNCTIONS[ranks]
    assert (np.ndim(f(np.ones(shape))), len(shape)) == ranks


@pytest.mark.parametrize(
    ("source", "target", "ranks"),
    [(source, target, ranks) for source, ranks in PAIRS for target in layouts_of(*ranks)],
    ids=str,
)
def test_every_layout_becomes_every_other(
    source: Layout, target: Layout, ranks: tuple[int, int]
) -> None:
    converted = convert(judged(source, ranks), source, target, **shapes_of(ranks))
    expected = judged(target, ranks)
    assert converted.shape == expected.shape
    np.testing.assert_array_equal(converted, expected)


# ----------------------------------------------------------------------------- laws, by hypothesis


class Drawn(NamedTuple):
    """A derivative in tensor layout, and the keywords with which convert takes it."""

    D: Array
    batch: Index
    keywords: dict[str, Any]

    @property
    def layouts(self) -> list[Layout]:
        return layouts_of(self.keywords["out_ndim"], self.keywords["in_ndim"])

    @property
    def pairs(self) -> list[tuple[Layout, Layout]]:
        return [(source, target) for source in self.layouts for target in self.layouts]

    def given_in(self, layout: Layout) -> Array:
        return convert(self.D, "tensor", layout, **self.keywords)


@st.composite
def derivatives(draw: st.DrawFn, smallest: int = 0) -> Drawn:
    axes = st.lists(st.integers(smallest, 4), max_size=2).map(tuple)
    out, inn, batch = draw(axes), draw(axes), draw(axes)
    D = np.arange(math.prod(batch + out + inn)).reshape(batch + out + inn)
    ndims = {"out_ndim": len(out), "in_ndim": len(inn)}
    return Drawn(D, batch, {**ndims, "out_shape": out, "in_shape": inn})


@given(derivatives())
def test_a_conversion_and_its_converse_change_nothing(drawn: Drawn) -> None:
    for source, target in drawn.pairs:
        D = drawn.given_in(source)
        there = convert(D, source, target, **drawn.keywords)
        np.testing.assert_array_equal(there, drawn.given_in(target))
        back = convert(there, target, source, **drawn.keywords)
        assert back.shape == D.shape
        np.testing.assert_array_equal(back, D)


@given(derivatives())
def test_converting_a_batch_converts_each_of_it(drawn: Drawn) -> None:
    for target in drawn.layouts:
        converted = drawn.given_in(target)
        assert converted.shape[: len(drawn.batch)] == drawn.batch
        for point in np.ndindex(drawn.batch):
            alone = convert(drawn.D[point], "tensor", target, **drawn.keywords)
            np.testing.assert_array_equal(converted[point], alone)


@given(derivatives(smallest=1))
def test_conversions_that_gather_no_columns_are_views(drawn: Drawn) -> None:
    for source, target in drawn.pairs:
        if source == target or not target.startswith("vec"):
            D = drawn.given_in(source)
            assert np.shares_memory(convert(D, source, target, **drawn.keywords), D)


def test_a_vec_of_what_lies_in_that_order_is_a_view() -> None:
    D = np.asfortranarray(np.ones((3, 2)))
    assert np.shares_memory(convert(D, "tensor", "vec", out_ndim=0, in_ndim=2), D)


@given(derivatives())
def test_numerator_layout_is_the_transpose_of_denominator_layout(drawn: Drawn) -> None:
    assume("numerator" in drawn.layouts)
    assume(drawn.D.ndim > len(drawn.batch))
    rows, columns = (
        M if M.ndim == len(drawn.batch) + 2 else M[..., None]
        for M in (drawn.given_in("numerator"), drawn.given_in("denominator"))
    )
    np.testing.assert_array_equal(rows, columns.mT)


@given(st.permutations("ijkl"), st.lists(st.integers(1, 3), max_size=2))
def test_reorder_moves_every_index_as_einsum_does(target: list[str], batch: list[int]) -> None:
    D = np.random.default_rng(0).normal(size=(*batch, 2, 3, 4, 5))
    moved = reorder(D, "ijkl->" + "".join(target))
    np.testing.assert_array_equal(moved, np.einsum(f"...ijkl->...{''.join(target)}", D))
    assert np.shares_memory(moved, D)


# ----------------------------------------------------------------------- what the literature says


def test_the_numerator_layout_of_tr_AX_is_A() -> None:
    gradient = judged("denominator", (0, 2))
    X = np.random.default_rng(11).normal(size=(3, 2))
    numerator = convert(gradient, "denominator", "numerator", out_ndim=0, in_ndim=2)
    np.testing.assert_allclose(numerator, 3 * np.trace(C.T @ X) ** 2 * C.T, rtol=1e-14)


def test_vec_of_the_derivative_of_AXB_is_a_kronecker_product() -> None:
    D = np.einsum("ik,lj->ijkl", A, B)
    J = convert(D, "tensor", "vec", out_ndim=2, in_ndim=2)
    np.testing.assert_array_equal(J, np.kron(B.T, A))
    rows = convert(D, "tensor", "vec-row-major", out_ndim=2, in_ndim=2)
    np.testing.assert_array_equal(rows, np.kron(A, B.T))


def test_vec_of_the_derivative_of_the_inverse_is_a_kronecker_product() -> None:
    X = np.random.default_rng(3).normal(size=(3, 3)) + 3 * np.eye(3)
    J = convert(
        tensor(partials(np.linalg.inv, X), (3, 3), (3, 3)), "tensor", "vec", out_ndim=2, in_ndim=2
    )
    inverse = np.linalg.inv(X)
    np.testing.assert_allclose(J, -np.kron(inverse.T, inverse), rtol=0, atol=1e-14)


# ------------------------------------------------------------------------------ kinds of arrays


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.int8, object])
def test_conversions_keep_the_dtype(dtype: Any) -> None:
    D = np.ones((2, 3, 4), dtype)
    assert convert(D, "tensor", "vec", out_ndim=1, in_ndim=2).dtype == dtype


def test_a_dask_array_stays_lazy() -> None:
    D = np.random.default_rng(0).normal(size=(6, 2, 3, 4, 5))
    chunked = dask.array.from_array(D, chunks=(2, 2, 3, 4, 5))
    lazy = convert(chunked, "tensor", "vec", out_ndim=2, in_ndim=2)
    assert isinstance(lazy, dask.array.Array)
    now = convert(D, "tensor", "vec", out_ndim=2, in_ndim=2)
    np.testing.assert_array_equal(np.asarray(lazy), now)


# --------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("shape", "source", "target", "ranks", "shapes", "message"),
    [
        ((2, 2, 2, 2), "tensor", "numerator", (2, 2), {}, "knows no numerator layout for a matrix "
         "by a matrix, whose derivative has 4 axes; use 'tensor' or 'vec'"),
        ((2, 2, 2), "denominator", "vec", (1, 2), {}, "knows no denominator layout for a vector "
         "by a matrix, whose derivative has 3 axes; use 'tensor' or 'vec'"),
        ((3,), "tensor", "jacobian", (0, 1), {}, "knows the layouts 'numerator', 'denominator', "
         "'tensor', 'vec', 'vec-row-major'; got 'jacobian'"),
        ((3,), "tensor", "vec", (0, 3), {}, "expects out_ndim and in_ndim to be 0 (scalar), "
         "1 (vector) or 2 (matrix); got out_ndim=0, in_ndim=3"),
        ((6, 6), "vec", "tensor", (2, 2), {"out_shape": (2, 3)}, "from 'vec' to 'tensor' takes "
         "apart the vec of a matrix, which needs in_shape=(rows, columns); got in_shape=None"),
        ((6, 6), "vec-row-major", "vec", (2, 1), {}, "from 'vec-row-major' to 'vec' takes apart "
         "the vec of a matrix, which needs out_shape=(rows, columns); got out_shape=None"),
        ((1, 6), "vec", "tensor", (0, 2), {"in_shape": (2, 4)},
         "from 'vec' expects the last axes (1, 8); got (1, 6)"),
        ((3, 2), "tensor", "numerator", (0, 2), {"in_shape": (2, 3)},
         "from 'tensor' expects the last axes (2, 3); got (3, 2)"),
        ((3, 2), "tensor", "numerator", (0, 2), {"in_shape": (6,)},
         "expects in_shape to have 2 entries, as many as in_ndim; got in_shape=(6,)"),
        ((5, 3), "numerator", "numerator", (0, 1), {},
         "from 'numerator' expects the last axes (1, 3); got (5, 3)"),
        ((3,), "tensor", "denominator", (1, 1), {},
         "from 'tensor' expects at least 2 axes; got shape (3,)"),
    ],
)  # fmt: skip
def test_a_conversion_that_cannot_be_says_why(
    shape: Index,
    source: Layout,
    target: Layout,
    ranks: tuple[int, int],
    shapes: dict[str, Index],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=re.escape(f"convert {message}") + "$"):
        convert(np.ones(shape), source, target, out_ndim=ranks[0], in_ndim=ranks[1], **shapes)


def test_a_vec_that_stays_a_vec_needs_no_shapes() -> None:
    J = np.arange(24.0).reshape(4, 6)
    np.testing.assert_array_equal(convert(J, "vec", "vec", out_ndim=2, in_ndim=2), J)


@pytest.mark.parametrize(
    "indices", ["ij->i", "ii->ii", "ij->jk", "...ij->...ji", "ij", "->", "ij,ji"]
)
def test_reorder_refuses_what_is_no_permutation(indices: str) -> None:
    with pytest.raises(ValueError, match="reorder expects each index once") as error:
        reorder(np.ones((2, 2)), indices)
    assert repr(indices) in str(error.value)


def test_reorder_refuses_more_indices_than_axes() -> None:
    with pytest.raises(ValueError, match=r"^reorder expects at least 3 axes; got shape \(2, 2\)$"):
        reorder(np.ones((2, 2)), "ijk->kji")
