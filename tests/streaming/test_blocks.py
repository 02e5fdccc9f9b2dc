from math import prod

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matgrad.streaming import Box, blocks, broadcast_box

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
counts = st.integers(1, 200)


def indices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(part.start, part.stop) for part in box)


@given(shapes, counts)
def test_blocks_cover_each_point_once_in_c_order(batch: tuple[int, ...], count: int) -> None:
    numbers = np.arange(prod(batch)).reshape(batch)
    covered = [numbers[indices(box)].ravel() for box in blocks(batch, count)]
    assert np.array_equal(np.concatenate([[], *covered]), numbers.ravel())


@given(shapes, counts)
def test_no_block_is_larger_than_allowed(batch: tuple[int, ...], count: int) -> None:
    assert all(prod(map(len, box)) <= count for box in blocks(batch, count))


@given(st.integers(1, 1000), counts)
def test_a_batch_of_one_axis_is_cut_into_as_few_blocks_as_possible(length: int, count: int) -> None:
    assert len(list(blocks((length,), count))) == -(-length // count)


def test_a_single_point_is_one_block() -> None:
    assert list(blocks((), 5)) == [()]


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=1, max_dims=4), counts)
def test_blocks_of_broadcast_arrays_broadcast(shapes: hnp.BroadcastableShapes, count: int) -> None:
    arrays = [np.arange(prod(shape)).reshape(shape) for shape in shapes.input_shapes]
    whole = np.broadcast_arrays(*arrays)
    for box in blocks(shapes.result_shape, count):
        for array, broadcast in zip(arrays, whole, strict=True):
            part = array[indices(broadcast_box(box, array.shape))]
            expected = broadcast[indices(box)]
            assert np.array_equal(np.broadcast_to(part, expected.shape), expected)


@pytest.mark.parametrize("batch", [(0,), (3, 0), (0, 3)])
def test_an_empty_batch_has_no_blocks(batch: tuple[int, ...]) -> None:
    assert list(blocks(batch, 4)) == []
