"""Operands of loops: where matrices are in the memory that a pipeline works with.

An operand is a matrix for each point, or one for all points: rows and columns are any number of
bytes apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np

# The bytes from point to point, row to row, column to column.
Steps: TypeAlias = tuple[int, int, int]


class Kind(IntEnum):
    """What a slot holds; they are numbered in this order."""

    INPUT = 0
    CONSTANT = 1
    RESULT = 2
    SHARED = 3
    TEMPORARY = 4


@dataclass(eq=False, slots=True)
class Slot:
    """Memory of an operand.

    Parameters
    ----------
    kind : Kind
        What it holds.
    size : int
        Entries for each point, or of what all points have in common.
    about : object
        What a `Pipeline` is told of an array: its register and its look, or the array itself.
    number : int
        Its place among all slots, once these are known.
    """

    kind: Kind
    size: int
    about: Any = None
    number: int = 0


class Operand(NamedTuple):
    """A matrix for each point of a batch, or one for all."""

    slot: Slot
    rows: int
    columns: int
    steps: Steps
    batched: bool

    @property
    def T(self) -> "Operand":
        """The transposed matrix, in the same memory."""
        point, row, column = self.steps
        return Operand(self.slot, self.columns, self.rows, (point, column, row), self.batched)

    def steps_of(self, rows: int, columns: int) -> Steps:
        """Return the steps of a matrix of another size, in which a single row or column repeats."""
        point, row, column = self.steps
        row = row if self.rows == rows > 1 else 0
        return point, row, column if self.columns == columns > 1 else 0

    def flat_step(self) -> int | None:
        """Return how far entries are apart, row by row; None if that differs."""
        _, row, column = self.steps
        if self.columns == 1:
            return row
        return column if self.rows == 1 or row == self.columns * column else None


class Call(NamedTuple):
    """A loop, and what a `Pipeline` calls it with."""

    ufunc: np.ufunc
    slots: Sequence[Slot]
    dimensions: tuple[int, ...]
    steps: tuple[int, ...]
    axis: int
    points: int
    rows: int
    by_point: tuple[int, ...]
    by_row: tuple[int, ...]
    single: tuple[int, ...] = ()


def are_by_columns(operands: Sequence[Operand]) -> bool:
    """Return whether matrices lie in memory column by column, and not all row by row."""
    return all(each.T.flat_step() is not None for each in operands) and any(
        each.flat_step() is None for each in operands
    )
