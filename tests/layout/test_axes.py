"""matgrad.layout.axes: the engine, judged by loops over indices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matgrad.layout.axes import regroup

SIZES = {"i": 2, "j": 3, "k": 4, "l": 5}


@st.composite
def groupings(draw: st.DrawFn) -> tuple[str, ...]:
    """Draw the indices i, j, k, l in any order, cut anywhere, empty groups included."""
    indices = draw(st.permutations("ijkl"))
    cuts = sorted(draw(st.lists(st.integers(0, 4), max_size=4)))
    return tuple(
        "".join(indices[start:stop]) for start, stop in zip([0, *cuts], [*cuts, 4], strict=True)
    )


def position(index: dict[str, int], axes: tuple[str, ...]) -> tuple[int, ...]:
    """Return where the entry with these indices is: in a group the last index runs fastest."""
    place = []
    for group in axes:
        at = 0
        for letter in group:
            at = at * SIZES[letter] + index[letter]
        place.append(at)
    return tuple(place)


@given(groupings(), groupings())
def test_every_entry_keeps_its_indices(source: tuple[str, ...], target: tuple[str, ...]) -> None:
    lengths = [int(np.prod([SIZES[i] for i in group], dtype=int)) for group in source]
    D = np.arange(120).reshape(lengths)
    moved = regroup("test", D, source, target, SIZES)
    for values in np.ndindex(*SIZES.values()):
        index = dict(zip(SIZES, values, strict=True))
        assert moved[position(index, target)] == D[position(index, source)]


@given(groupings(), st.permutations("ijkl"))
def test_splitting_and_permuting_share_memory(source: tuple[str, ...], target: list[str]) -> None:
    lengths = [int(np.prod([SIZES[i] for i in group], dtype=int)) for group in source]
    D = np.arange(240).reshape([*lengths, 2])[..., 1]
    assert np.shares_memory(regroup("test", D, source, tuple(target), SIZES), D)


def test_an_axis_of_the_wrong_length_is_named() -> None:
    with pytest.raises(ValueError, match=r"^f expects the last axes \(6,\); got \(7,\)$"):
        regroup("f", np.ones((3, 7)), ("ij",), ("i", "j"), SIZES)


def test_an_axis_for_no_index_has_length_one() -> None:
    with pytest.raises(ValueError, match=r"^f expects the last axes \(1, 2\); got \(3, 2\)$"):
        regroup("f", np.ones((3, 2)), ("", "k"), ("k",))
