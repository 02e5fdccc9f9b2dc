import numpy as np
import pytest

from matgrad.check.probes import ENTRIES, RANDOM, Probes
from matgrad.differences.moves import Moves
from matgrad.differences.points import Points


def probes_of(x: np.ndarray, ndim: int) -> Probes:
    points = Points.of(x, ndim, "test")
    return Probes.of(points, Moves.of(points, False, "test"), np.random.default_rng(0))


def test_few_entries_are_probed_one_by_one() -> None:
    probes = probes_of(np.ones((3, 2, 4)), 2)
    assert np.array_equal(probes.members[RANDOM:], np.eye(8, dtype=bool))


@pytest.mark.parametrize("shape", [(80, 60), (5000,)])
def test_many_entries_lie_on_one_row_and_one_column_each(shape: tuple[int, ...]) -> None:
    probes = probes_of(np.ones(shape), len(shape))
    lines = probes.members[RANDOM:]
    assert np.prod(shape) > ENTRIES
    assert len(lines) < 3 * np.sqrt(np.prod(shape))
    assert np.all(lines.sum(axis=0) == 2)
    pairs = {tuple(np.flatnonzero(column)) for column in lines.T}
    assert len(pairs) == np.prod(shape)


def test_no_direction_has_an_entry_near_zero() -> None:
    probes = probes_of(np.ones((100, 100)), 2)
    weights = np.abs(probes.weights[probes.members])
    assert np.all((weights >= 0.5) & (weights <= 1))


def test_steps_within_the_limit_move_no_entry_by_more_than_itself() -> None:
    x = np.array([[1.0, 1e-3, -5.0], [1e8, 1e-12, 1.0]])
    probes = probes_of(x, 1)
    chosen = np.arange(probes.count)
    moved = probes.limits(chosen)[..., None] * np.abs(probes.directions(chosen))
    assert np.all(moved <= np.abs(x) * (1 + 1e-12))
