"""What the differences move: single entries, symmetric pairs, many at once where sparsity allows.

A *move* is what one unknown of the Jacobian belongs to: an entry of x, or the two entries (i, j)
and (j, i) of a symmetric matrix. Moves of one *colour* go together in one evaluation, since no
output depends on two of them. Without a sparsity pattern every move has a colour of its own.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from matgrad.differences.points import Array, Points

Symmetric = bool | Literal["symmetric", "free"] | None


@dataclass(frozen=True)
class Moves:
    """The moves of one point, as parallel lists over the moved entries."""

    entries: Array  # flat indices of x, rising
    owner: Array  # the move that each of these entries belongs to
    first: Array  # for each move, the entry that stands for it
    weight: Array  # share of an entry in what its move measures

    @classmethod
    def of(cls, points: Points, symmetric: Symmetric, caller: str) -> "Moves":
        """Return one move an entry, or one for each symmetric pair of the last two axes."""
        if symmetric not in (None, True, False, "symmetric", "free"):
            raise ValueError(
                f"{caller} knows symmetric=True, False, 'symmetric', 'free'; got {symmetric!r}"
            )
        if not symmetric:
            every = np.arange(points.flat.shape[1])
            return cls(every, every, every, np.ones(len(every)))
        _require_symmetric(points, caller)
        return cls._pairs(points.shape, halved=symmetric != "free")

    @classmethod
    def _pairs(cls, shape: tuple[int, ...], *, halved: bool) -> "Moves":
        """Enumerate pairs: under "symmetric" each of two entries has half the pair's derivative."""
        every = np.arange(int(np.prod(shape))).reshape(shape)
        first = np.minimum(every, np.swapaxes(every, -1, -2)).ravel()
        names, owner = np.unique(first, return_inverse=True)
        alone = np.bincount(owner)[owner] == 1
        weight = np.where(alone | (not halved), 1.0, 0.5)
        return cls(every.ravel(), owner, names, weight)

    @property
    def count(self) -> int:
        """The number of moves."""
        return len(self.first)

    def spread(self, measured: Array, *, halved: bool = True) -> Array:
        """Turn what moves measured (..., moves) into entries (..., entries).

        In the symmetric convention a pair's derivative is shared: each entry has half of it.
        """
        if self.count == len(self.entries):
            return measured
        spread = measured[..., self.owner]
        return (spread * self.weight).astype(spread.dtype) if halved else spread

    def spread_columns(self, matrix: Any, *, halved: bool) -> Any:
        """Do the same to a SciPy sparse array (outputs, moves)."""
        columns = matrix.tocsc()[:, self.owner]
        weight = self.weight.astype(matrix.dtype)
        return (columns * weight if halved else columns).tocsr()

    def gather(self, gradient: Array) -> Array:
        """Turn derivatives by entries (..., entries) into derivatives along moves.

        The inverse of `spread`: the sum over a pair in the symmetric convention; in the free one
        each entry already holds the derivative along its pair, so the pair is averaged.
        """
        if self.count == len(self.entries):
            return gradient
        shared = gradient / (self.weight * np.bincount(self.owner)[self.owner])
        total = np.zeros((self.count, *gradient.shape[:-1]), dtype=shared.dtype)
        np.add.at(total, self.owner, np.moveaxis(shared, -1, 0))
        return np.moveaxis(total, 0, -1)

    def only(self, chosen: Array) -> "Moves":
        """Return the chosen moves alone, renumbered."""
        number = np.full(self.count, -1)
        number[chosen] = np.arange(len(chosen))
        kept = number[self.owner] >= 0
        owner = number[self.owner[kept]]
        return Moves(self.entries[kept], owner, self.first[chosen], self.weight[kept])


def _require_symmetric(points: Points, caller: str) -> None:
    if len(points.shape) < 2 or points.shape[-1] != points.shape[-2]:
        raise ValueError(
            f"{caller} with symmetric needs square matrices; got an argument of shape "
            f"{points.shape}"
        )
    x = points.flat.reshape(points.size, *points.shape)
    largest = np.abs(x).max(axis=(-1, -2), initial=0)
    skew = np.abs(x - np.swapaxes(x, -1, -2)).max(axis=(-1, -2), initial=0)
    skewed = skew > 8 * np.finfo(x.dtype).eps * largest
    if skewed.any():
        raise ValueError(
            f"{caller} with symmetric needs symmetric matrices; got one that differs from its "
            f"transpose by {skew[skewed].max():.3g}"
        )


@dataclass(frozen=True)
class Pattern:
    """Which outputs depend on which moves, and the colours of the moves."""

    outputs: Array
    moves: Array
    colors: Array  # of all moves, -1 where no output depends on one

    @property
    def size(self) -> int:
        """The number of colours."""
        return int(self.colors.max(initial=-1)) + 1

    @classmethod
    def of(
        cls, sparsity: Any, out: tuple[int, ...], points: Points, moves: Moves, caller: str
    ) -> "Pattern":
        """Read a pattern of shape out + in or (m, n), dense or a SciPy sparse array."""
        rows, entries = _nonzeros(sparsity, out, points.shape, caller)
        pairs = np.unique(np.stack([rows, moves.owner[entries]], axis=1), axis=0)
        return cls(pairs[:, 0], pairs[:, 1], colors(pairs[:, 0], pairs[:, 1], moves.count))


def _nonzeros(
    sparsity: Any, out: tuple[int, ...], shape: tuple[int, ...], caller: str
) -> tuple[Array, Array]:
    flat = (int(np.prod(out)), int(np.prod(shape)))
    pattern = sparsity.tocoo() if hasattr(sparsity, "tocoo") else np.asarray(sparsity)
    if pattern.shape not in (out + shape, flat):
        raise ValueError(
            f"{caller} needs a sparsity pattern of shape {out + shape} or {flat}; got "
            f"{pattern.shape}"
        )
    if not isinstance(pattern, np.ndarray):
        kept = pattern.data != 0
        return pattern.row[kept], pattern.col[kept]
    rows, entries = np.nonzero(pattern.reshape(flat))
    return rows, entries


def colors(rows: Array, columns: Array, count: int) -> Array:
    """Colour `count` columns so that no row meets a colour twice; -1 for empty columns.

    The greedy algorithm of Curtis, Powell and Reid (J. Inst. Maths Applics 13 (1974) 117-119),
    columns with most rows first. SciPy has the same as ``group_columns``, in a private module.
    A column costs one look at each colour for each of its rows.
    """
    order = np.argsort(columns, kind="stable")
    lengths = np.bincount(columns, minlength=count)
    members = np.split(rows[order], np.cumsum(lengths)[:-1])
    result = np.full(count, -1)
    taken = np.zeros((0, rows.max(initial=-1) + 1), dtype=bool)
    for column in np.argsort(-lengths, kind="stable"):
        if not lengths[column]:
            break
        free = ~taken[:, members[column]].any(axis=1)
        color = int(free.argmax()) if free.any() else len(taken)
        if color == len(taken):
            taken = np.vstack([taken, np.zeros_like(taken, shape=(1, taken.shape[1]))])
        taken[color, members[column]] = True
        result[column] = color
    return result
