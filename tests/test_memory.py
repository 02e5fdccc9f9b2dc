"""Memory: arrays lie where others lay, and never where one still is."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matgrad import Oracle
from matgrad._native.memory import Memory, all_finite, same

DOUBLE = np.dtype(float).num
LARGE = (100, 8, 8)

Array = NDArray[Any]


def place(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_that_nobody_holds_serves_again() -> None:
    memory = Memory()
    places = {place(memory.empty(LARGE, DOUBLE)) for _ in range(20)}
    assert len(places) == 1
    assert place(memory.empty((6400,), DOUBLE)) in places


VIEWS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda array: array,
    "transpose": lambda array: array.T,
    "part": lambda array: array[1:, 2],
    "buffer": memoryview,
}


@pytest.mark.parametrize("view", VIEWS)
def test_memory_of_which_there_is_a_view_does_not(view: str) -> None:
    memory = Memory()
    held = VIEWS[view](memory.empty(LARGE, DOUBLE))
    for _ in range(20):
        assert not np.shares_memory(memory.empty(LARGE, DOUBLE), held)


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("fdFD"), st.booleans()), max_size=40))
def test_arrays_that_are_held_keep_what_is_in_them(asked: list[tuple[int, str, bool]]) -> None:
    memory, held = Memory(), list[tuple[int, Array]]()
    for number, (thousands, dtype, keeps) in enumerate(asked):
        array = memory.empty((thousands, 1000), np.dtype(dtype).num)
        assert (array.shape, array.dtype) == ((thousands, 1000), np.dtype(dtype))
        assert array.flags.carray
        array[...] = number
        if keeps:
            held.append((number, array))
        del array
    for number, array in held:
        assert (array == number).all()


def test_an_array_has_as_many_axes_as_numpy_allows() -> None:
    assert Memory().empty((1,) * 63 + (5000,), DOUBLE).ndim == 64


def test_parts_of_a_data_set_use_the_same_memory() -> None:
    oracle, w = Oracle("norm(X*w)^2", "w", X=np.ones((1000, 2, 8))), np.ones((1000, 8))
    places = set()
    for k in range(30):
        part = oracle.with_constants(X=np.full((1000, 2, 8), k))
        places.add(place(part.gradient(w)))
    assert len(places) <= 6


def test_no_more_memory_is_kept_than_a_few_arrays() -> None:
    memory = Memory()
    held = [memory.empty((1 << 20,), DOUBLE) for _ in range(10)]
    places = {place(array) for array in held}
    del held
    again = [memory.empty((1 << 20,), DOUBLE) for _ in range(3)]
    assert {place(array) for array in again} <= places  # of 32 megabytes


@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (2, 3, 4), LARGE])
@pytest.mark.parametrize("dtype", ["f", "d", ">f8", "i8", "O"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_copy_is_in_c_order_and_shares_nothing(
    shape: tuple[int, ...], dtype: str, order: Any
) -> None:
    array = np.arange(prod(shape)).reshape(shape).astype(dtype, order=order)
    copy = Memory().copy(array, (array.size,))
    assert copy.dtype == array.dtype
    np.testing.assert_array_equal(copy, array.reshape(-1))
    assert not np.shares_memory(copy, array)
    assert same(Memory().copy(array, shape), array)


@pytest.mark.parametrize("batch", [(), (0,), (3,), (2, 50)])
@pytest.mark.parametrize("dtype", ["f", "d", "D"])
def test_parts_are_joined_as_numpy_does(batch: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        cores = [tuple(rng.integers(0, 7, 2)) for _ in range(rng.integers(1, 4))]
        parts = [rng.normal(size=(*batch, *core)).astype(dtype) for core in cores]
        parts[0] = np.asfortranarray(parts[0])
        wanted = np.concatenate(
            [part.reshape(*batch, prod(part.shape[len(batch) :])) for part in parts], -1
        )
        np.testing.assert_array_equal(Memory().join(parts, wanted.shape), wanted, strict=True)


@pytest.mark.parametrize("parts", [[], [np.ones(3)], [np.ones(3), np.ones(2, np.float32)]])
def test_parts_that_do_not_fill_the_array_are_refused(parts: list[Array]) -> None:
    with pytest.raises(ValueError, match="join needs"):
        Memory().join(parts, (5,))


def test_arrays_are_the_same_by_shape_dtype_and_bytes() -> None:
    a = np.array([[1.0, np.nan], [0.0, 2.0]])
    assert same(a, a.copy(order="F"))
    assert not same(a, a.reshape(4))
    assert not same(a, a.astype(">f8"))
    assert not same(a, a.view(np.int64))
    assert not same(a, np.array([[1.0, np.nan], [-0.0, 2.0]]))
    assert not same(a, np.array([[1.0, np.nan], [0.0, 2.1]]))


def test_gradients_that_are_kept_stay_as_they_were() -> None:
    oracle = Oracle("tr(X*A*X'*A)", "X", A=np.eye(8))
    rng = np.random.default_rng(0)
    points = [rng.normal(size=LARGE) for _ in range(30)]
    gradients = [oracle.gradient(X) for X in points]
    for X, gradient in zip(points, gradients, strict=True):
        np.testing.assert_allclose(gradient, 2 * X)
    assert len({place(gradient) for gradient in gradients}) == len(points)


def test_gradients_that_are_let_go_lie_in_one_place() -> None:
    oracle = Oracle("tr(X*A*X'*A)", "X", A=np.eye(8))
    rng = np.random.default_rng(0)
    points = [rng.normal(size=LARGE) for _ in range(20)]
    assert len({place(oracle.gradient(X)) for X in points}) <= 4


def test_a_transposed_constant_is_no_copy_where_it_is_the_left_factor() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 9, 4)), rng.normal(size=(5, 9))
    oracle = Oracle("norm(X*w - y)^2", "w", X=X, y=y)
    w = rng.normal(size=(5, 4))
    np.testing.assert_allclose(
        oracle.gradient(w)[..., None], 2 * X.mT @ (X @ w[..., None] - y[..., None])
    )
    assert oracle._last is not None
    template = [np.asarray(each) for each in oracle._last.compilation.template if each is not None]
    first, *others = (each for each in template if each.size == X.size)
    assert others
    assert all(np.shares_memory(first, other) for other in others)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_finite_or_one_is_not(dtype: Any) -> None:
    largest = np.finfo(dtype).max
    values = np.array([0, 1, -largest, largest, np.finfo(dtype).smallest_subnormal], dtype)
    assert all_finite(values)
    assert all_finite(values[:0])
    for wrong in (np.nan, np.inf, -np.inf):
        for k in range(len(values)):
            spoilt = values.copy()
            spoilt[k] = wrong
            assert not all_finite(spoilt)
            assert not all_finite(np.repeat(spoilt, 2)[::2])


def test_only_real_numbers_are_asked_whether_they_are_finite() -> None:
    with pytest.raises(TypeError, match="all_finite takes float32 and float64; got complex128"):
        all_finite(np.ones(2, complex))
