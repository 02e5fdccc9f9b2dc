"""The directions along which a claim is tested.

A random direction mixes all entries, so that it sees every error and drowns a small one: one
entry wrong out of n is 1/sqrt(n) of what the direction measures, and where f bends in many
directions the steps must be short. So single entries are probed too, or, where they are many,
the rows and the columns of the argument, each mixed at random: a wrong entry lies on one of each,
diluted only among sqrt(n), and det and its like are affine or nearly so along them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matgrad.differences.moves import Moves
from matgrad.differences.points import Array, Points, typical_size

RANDOM = 6
ENTRIES = 4096  # single entries are probed up to so many in the whole batch, and always up to 16


@dataclass(frozen=True)
class Probes:
    """Directions in the space of moves: which moves take part in each, and how far they go."""

    members: Array  # bool (directions, moves)
    weights: Array  # (directions, moves), random
    relative: Array  # bool (directions,): in proportion to x, or alike for all entries
    magnitude: Array  # of each move's entry, (points, moves)
    typical: Array  # (points, 1): the root mean square of x, 1 where x = 0

    @classmethod
    def of(cls, points: Points, moves: Moves, rng: np.random.Generator) -> "Probes":
        """Draw the directions for a batch of points."""
        lines = _lines(points, moves)
        members = np.concatenate([np.ones((RANDOM, moves.count), dtype=bool), *lines])
        kinds = [np.arange(RANDOM) % 2 == 0, *(np.full(len(g), g is lines[0]) for g in lines)]
        size = rng.uniform(0.5, 1, members.shape) * rng.choice([-1.0, 1.0], members.shape)
        x = points.flat.astype(float)
        typical = typical_size(x)
        typical = np.where(typical > 0, typical, 1.0)
        magnitude = np.abs(x[:, moves.first])
        magnitude = np.where(magnitude > 0, magnitude, typical)
        return cls(members, members * size, np.concatenate(kinds), magnitude, typical)

    @property
    def count(self) -> int:
        """The number of directions."""
        return len(self.members)

    def directions(self, chosen: Array) -> Array:
        """Return the chosen directions (directions, points, moves), in units of x."""
        scale = np.where(self.relative[chosen, None, None], self.magnitude, self.typical)
        directions: Array = self.weights[chosen, None, :] * scale
        return directions

    def limits(self, chosen: Array) -> Array:
        """Return the steps (directions, points) that move no entry by more than its magnitude."""
        weights = np.abs(self.weights[chosen])
        with np.errstate(divide="ignore"):
            alike = (self.magnitude / weights[:, None, :]).min(axis=-1) / self.typical[:, 0]
            own = np.broadcast_to(1 / weights.max(axis=-1, keepdims=True), alike.shape)
        return np.where(self.relative[chosen, None], own, alike)

    def blocks(self, points: Points, outputs: int, max_bytes: int) -> Iterator[Array]:
        """Cut the directions, after the random ones, so that stacks fit `max_bytes`."""
        held = 6 * points.flat.size + 100 * points.size * outputs
        size = max(1, max_bytes // max(1, 8 * held))
        yield np.arange(RANDOM)
        for start in range(RANDOM, self.count, size):
            yield np.arange(start, min(start + size, self.count))


def _lines(points: Points, moves: Moves) -> list[Array]:
    """Return the entries, or the rows and the columns, as lists of members."""
    if moves.count <= 16 or moves.count * points.size <= ENTRIES:
        return [np.eye(moves.count, dtype=bool)]
    width = points.shape[-1] if len(points.shape) > 1 else int(np.sqrt(moves.count))
    row, column = np.divmod(moves.first, width)
    return [np.equal.outer(np.unique(line), line) for line in (row, column)]
