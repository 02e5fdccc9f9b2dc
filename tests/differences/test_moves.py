from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matgrad.differences.moves import Moves, colors
from matgrad.differences.points import Points


@settings(deadline=None)
@given(pattern=hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_no_row_meets_a_colour_twice(pattern: Any) -> None:
    rows, columns = np.nonzero(pattern)
    coloring = colors(rows, columns, pattern.shape[1])
    assert np.array_equal(coloring == -1, ~pattern.any(axis=0))
    for row in pattern:
        met = coloring[row]
        assert len(np.unique(met)) == len(met)


def test_band_matrices_need_as_many_colours_as_bands() -> None:
    rows, columns = np.nonzero(np.abs(np.subtract.outer(np.arange(200), np.arange(200))) <= 1)
    assert colors(rows, columns, 200).max() + 1 == 3


@settings(deadline=None)
@given(convention=st.sampled_from([True, "free"]), n=st.integers(1, 5))
def test_gathering_undoes_spreading(convention: Any, n: Any) -> None:
    points = Points.of(np.eye(n), 2, "test")
    moves = Moves.of(points, convention, "test")
    along = np.arange(1.0, moves.count + 1)
    np.testing.assert_allclose(moves.gather(moves.spread(along)), along)


def test_chosen_moves_keep_their_entries() -> None:
    moves = Moves.of(Points.of(np.eye(3), 2, "test"), True, "test")
    some = moves.only(np.array([1, 4]))
    assert some.entries.tolist() == [1, 3, 5, 7]
    assert some.owner.tolist() == [0, 0, 1, 1]
    assert some.first.tolist() == [1, 5]
