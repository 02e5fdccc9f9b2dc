"""Blocks of moves that are evaluated together: from moves to stacks, from values to Jacobians."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matgrad.differences.moves import Moves, Pattern
from matgrad.differences.points import Array, Points, Stack
from matgrad.differences.steps import Room


@dataclass(frozen=True)
class Block:
    """Some colours of moves: `size` rows of a stack, one for each colour.

    Results are *measured* arrays: (moves, points, outputs) where every output is kept,
    (pairs, points) where a pattern names the pairs of output and move.
    """

    points: Points
    room: Room
    size: int
    moves: Array  # indices among all moves
    first: Array  # for each move of the block, where it stands in the three lists below
    rows: Array
    entries: Array
    owner: Array  # index within the block
    pairs: tuple[Array, Array, Array] | None  # row of the stack, output, move in the block

    def displaced(self, offset: Array) -> tuple[Stack, Array]:
        """Move x by an offset (moves, points); return the stack and what the moves really moved.

        The two differ by rounding and by the bounds, which clip.
        """
        x = self.points.flat
        start = x[:, self.entries].T
        goal = start + offset[self.owner]
        if offset.dtype.kind == "c":
            goal = goal.astype(np.result_type(x.dtype, np.complex64))
        else:
            goal = self.room.clip(goal.T, self.entries).astype(x.dtype).T
        stack = np.repeat(x[np.newaxis], self.size, axis=0).astype(goal.dtype, copy=False)
        stack[self.rows, :, self.entries] = goal
        wide = np.result_type(goal.dtype, np.float64)
        distance = (goal.astype(wide) - start)[self.first]
        return Stack(stack, x, (self.rows, self.entries), goal), distance

    def nearest_bounds(self) -> tuple[Array, Array]:
        """Return how far each move may go down and up, (moves, points) each."""
        down, up = (np.full((len(self.moves), self.points.size), np.inf) for _ in range(2))
        np.minimum.at(down, self.owner, self.room.down.T[self.entries])
        np.minimum.at(up, self.owner, self.room.up.T[self.entries])
        return down, up

    def select(self, values: Array) -> Array:
        """Return values (rows, points, outputs) as a measured array."""
        if self.pairs is None:
            return values
        row, output, _ = self.pairs
        return values[row, :, output]

    def base(self, base: Array) -> Array:
        """Return what belongs to the points (points, outputs) so that measured arrays meet it."""
        return base if self.pairs is None else base.T[self.pairs[1]]

    def along(self, per_move: Array) -> Array:
        """Return what belongs to moves (moves, points) so that measured arrays meet it."""
        return per_move[:, :, np.newaxis] if self.pairs is None else per_move[self.pairs[2]]


def blocks(
    points: Points, room: Room, moves: Moves, pattern: Pattern | None, size: int
) -> Iterator[Block]:
    """Cut the moves into blocks of at most `size` colours."""
    color = np.arange(moves.count) if pattern is None else pattern.colors
    for start in range(0, color.max(initial=-1) + 1, size):
        yield _block(points, room, moves, pattern, color, range(start, start + size))


def _block(
    points: Points, room: Room, moves: Moves, pattern: Pattern | None, color: Array, wanted: range
) -> Block:
    chosen = np.flatnonzero((wanted.start <= color) & (color < wanted.stop))
    local = np.full(moves.count, -1)
    local[chosen] = np.arange(len(chosen))
    here = local[moves.owner] >= 0
    entries, owner = moves.entries[here], local[moves.owner[here]]
    first = np.searchsorted(entries, moves.first[chosen])
    row = color[chosen] - wanted.start
    pairs = None
    if pattern is not None:
        kept = local[pattern.moves] >= 0
        move = local[pattern.moves[kept]]
        pairs = (row[move], pattern.outputs[kept], move)
    return Block(points, room, int(row.max()) + 1, chosen, first, row[owner], entries, owner, pairs)
