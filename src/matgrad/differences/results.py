"""From what blocks of moves measured to the Jacobian that the caller sees."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from matgrad.differences.blocks import Block
from matgrad.differences.evaluation import Evaluation
from matgrad.differences.moves import Moves
from matgrad.differences.points import Array


@dataclass(frozen=True)
class JacobianInfo:
    """What is known beside a Jacobian.

    Attributes
    ----------
    error : ndarray or csr_array, like the Jacobian
        Estimate of the absolute error of each entry: truncation and rounding.
    step : ndarray or csr_array, like the Jacobian
        The step that each entry was measured with.
    nfev : int
        Evaluations of the function for each point.
    """

    error: Any
    step: Any
    nfev: int


@dataclass(frozen=True)
class Measured:
    """The derivatives of one block, with their errors and steps where those are wanted."""

    block: Block
    derivative: Array
    error: Array | None = None
    step: Array | None = None


class Assembly:
    """Measured blocks put together: dense, or as SciPy's sparse array."""

    def __init__(self, evaluation: Evaluation, moves: Moves, *, sparse: bool) -> None:
        if sparse and evaluation.points.batch:
            raise ValueError(
                f"{evaluation.caller} gives one sparse Jacobian for a SciPy pattern; x has the "
                f"batch {evaluation.points.batch}: pass sparsity.toarray()"
            )
        self._evaluation, self._moves, self._sparse = evaluation, moves, sparse

    def jacobian(self, measured: Iterable[Measured]) -> Any:
        """Return the derivatives in the dtype of f and x."""
        base = self._evaluation.base.dtype
        dtype = np.result_type(self._evaluation.points.flat.dtype, base)
        return self._assembled(((m.block, m.derivative) for m in measured), dtype, halved=True)

    def jacobian_and_info(self, measured: Iterable[Measured]) -> tuple[Any, JacobianInfo]:
        """Return the derivatives and what is known beside them."""
        kept = list(measured)
        error = self._assembled(((m.block, m.error) for m in kept), np.dtype(float), halved=True)
        step = self._assembled(((m.block, m.step) for m in kept), np.dtype(float), halved=False)
        return self.jacobian(kept), JacobianInfo(error, step, self._evaluation.count)

    def _assembled(
        self, parts: Iterable[tuple[Block, Any]], dtype: np.dtype[Any], *, halved: bool
    ) -> Any:
        """Put parts together; `halved` where the two of a symmetric pair share a value."""
        if self._sparse:
            return self._csr(parts, dtype, halved=halved)
        points = self._evaluation.points
        full = np.zeros((*self._evaluation.base.shape, self._moves.count), dtype=dtype)
        for block, values in parts:
            if block.pairs is None:
                full[:, :, block.moves] = np.moveaxis(
                    np.broadcast_to(values, (len(block.moves), *full.shape[:2])), 0, -1
                )
            else:
                _, output, move = block.pairs
                full[:, output, block.moves[move]] = values.T
        entries = self._moves.spread(full, halved=halved)
        return entries.reshape(points.batch + self._evaluation.out + points.shape)

    def _csr(
        self, parts: Iterable[tuple[Block, Any]], dtype: np.dtype[Any], *, halved: bool
    ) -> Any:
        from scipy.sparse import csr_array

        rows, columns = [np.zeros(0, dtype=int)], [np.zeros(0, dtype=int)]
        data = [np.zeros(0, dtype=dtype)]
        for block, values in parts:
            assert block.pairs is not None  # a sparse result comes from a pattern
            rows.append(block.pairs[1])
            columns.append(block.moves[block.pairs[2]])
            data.append(values[:, 0].astype(dtype))
        shape = (self._evaluation.base.shape[1], self._moves.count)
        where = (np.concatenate(rows), np.concatenate(columns))
        by_moves = csr_array((np.concatenate(data), where), shape=shape)
        return self._moves.spread_columns(by_moves, halved=halved)
