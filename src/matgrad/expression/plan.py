"""The plan of a pipeline: where registers are, and the calls of loops that work on them.

A temporary takes the place of one that nobody reads any more, also of an operand of the same
operation, if each entry is read where it is written. What all points of a batch have in common is
computed once, before the blocks, which read it: it keeps its place.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgrad._native.memory import Memory
from matgrad._native.pipeline import Pipeline, loop_of
from matgrad.expression.operands import Call, Kind, Operand, Slot, Steps, are_by_columns
from matgrad.expression.program import Attribute, Instruction, Register

Array: TypeAlias = NDArray[Any]

# Bytes that a block works with: half of an L2 cache. With an eighth of them a program of seven
# operations on 8 x 8 matrices takes 1.1 times the time, since loops are called more often.
BLOCK = 1 << 19

# Bytes of temporaries above which there is no plan: elementwise operations on matrices of 8 MB take
# twice the time of the executor's, which allocates each result where the last one was let go.
LARGEST = 1 << 23

# Points a block is a multiple of, so that it has whole groups of lanes.
GROUP = 16


class NoPlanError(Exception):
    """There is no loop for these shapes."""


@dataclass(eq=False)
class Plan:
    """What a pipeline will do.

    Parameters
    ----------
    dtype : dtype
        Of all arrays.
    threads : callable
        Returns how many threads may run.
    memory : Memory
        Where results lie.

    Attributes
    ----------
    is_serial : bool
        Whether a loop has threads of its own.
    """

    dtype: np.dtype[Any]
    threads: Callable[[], int]
    memory: Memory
    count: int | None = None
    work: float = 0.0
    is_serial: bool = False
    slots: list[Slot] = field(default_factory=list)
    free: list[Slot] = field(default_factory=list)
    once: list[Call] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    registers: dict[Register, Operand] = field(default_factory=dict)
    # What follows is of the instruction that is planned.
    results: list[Register] = field(default_factory=list)
    hidden: list[Slot] = field(default_factory=list)
    dying: set[Register] = field(default_factory=set)
    kept: set[Register] = field(default_factory=set)

    # ---- registers ------------------------------------------------------------------------------

    def reads(self, register: Register, array: Array) -> bool:
        """Note an array that comes from outside; return whether pipelines can read it."""
        usual = type(array) is np.ndarray and array.dtype == self.dtype and array.flags.aligned
        if not usual or array.ndim not in (2, 3) or not array.size:
            return False
        batched = array.ndim == 3
        if batched and self.count not in (None, len(array)):
            return False
        self.count = len(array) if batched else self.count
        about = register, array.shape, array.strides
        rows, columns = array.shape[-2:]
        slot = self._slot(Kind.INPUT, rows * columns if batched else 0, about)
        row, column = array.strides[-2:]
        steps = (array.strides[0] if batched else 0, row, column)
        self.registers[register] = Operand(slot, rows, columns, steps, batched)
        return True

    def number(self, register: Register, value: Attribute) -> None:
        """Note a number."""
        if register not in self.registers:
            self.registers[register] = self.constant(value, 1, 1)

    def constant(self, value: Attribute, rows: int, columns: int) -> Operand:
        """Return a matrix of entries that are all the same."""
        array = np.full((rows, columns), value, self.dtype)
        slot = self._slot(Kind.CONSTANT, 0, array)
        row, column = array.strides
        return Operand(slot, rows, columns, (0, row, column), batched=False)

    def operand(self, register: Register) -> Operand:
        """Return where a register is."""
        return self.registers[register]

    def begin(self, instruction: Instruction, kept: set[Register]) -> None:
        """Turn to an instruction; `kept` are registers that remain when the pipeline has run."""
        self.results, self.dying, self.kept = (
            list(instruction.results),
            set(instruction.last_uses),
            kept,
        )

    def finish(self) -> None:
        """Release what nobody reads after the instruction."""
        self._release(self.dying)
        self.free += self.hidden
        self.hidden = []

    def name(self, operand: Operand) -> None:
        """Let the next result of the instruction be an operand that is there."""
        self.registers[self.results.pop(0)] = operand

    def result(
        self, rows: int, columns: int, operands: Sequence[Operand], *, by_columns: bool = False
    ) -> Operand:
        """Return the next result of the instruction, new, of a size.

        It is in C order unless it may be by columns and does not remain.
        """
        return self._new(self.results.pop(0), rows, columns, operands, by_columns=by_columns)

    def unread(self, rows: int, columns: int, operands: Sequence[Operand]) -> Operand:
        """Return what a loop has to write and nobody reads."""
        operand = self._new(None, rows, columns, operands)
        if operand.slot.kind is Kind.TEMPORARY:
            self.hidden.append(operand.slot)
        return operand

    def _new(
        self,
        register: Register | None,
        rows: int,
        columns: int,
        operands: Sequence[Operand],
        *,
        by_columns: bool = False,
    ) -> Operand:
        batched = any(each.batched for each in operands)
        item = self.dtype.itemsize
        point, kept = (rows * columns * item if batched else 0), register in self.kept
        steps = (point, columns * item, item)
        if by_columns and not kept:
            steps = (point, item, rows * item)
        if kept:
            shape = (*((self.count,) if batched else ()), rows, columns)
            slot = self._slot(Kind.RESULT, rows * columns if batched else 0, (register, shape))
        elif batched or self.count is None:
            slot = self._temporary(rows * columns)
        else:
            slot = self._slot(Kind.SHARED, rows * columns)
        operand = Operand(slot, rows, columns, steps, batched)
        if register is not None:
            self.registers[register] = operand
        return operand

    def release_alike(self, rows: int, columns: int, steps: Steps) -> None:
        """Release operands with these steps that nobody reads again.

        Results may take their place.
        """
        alike = {
            register
            for register in self.dying.intersection(self.registers)
            if self.registers[register][1:4] == (rows, columns, steps)
        }
        self._release(alike)
        self.dying -= alike

    def _release(self, registers: set[Register]) -> None:
        readers = Counter(operand.slot for operand in self.registers.values())
        for register in registers.intersection(self.registers):
            slot = self.registers.pop(register).slot
            readers[slot] -= 1
            if not readers[slot] and slot.kind is Kind.TEMPORARY:
                self.free.append(slot)

    def _temporary(self, size: int) -> Slot:
        fitting = [slot for slot in self.free if slot.size >= size]
        if not fitting:
            return self._slot(Kind.TEMPORARY, size)
        smallest = min(fitting, key=lambda slot: slot.size)
        self.free.remove(smallest)
        return smallest

    def _slot(self, kind: Kind, entries: int, about: Any = None) -> Slot:
        slot = Slot(kind, entries, about)
        self.slots.append(slot)
        return slot

    # ---- calls ----------------------------------------------------------------------------------

    def elementwise(self, ufunc: np.ufunc, *operands: Operand, work: float = 1) -> None:
        """Call an elementwise loop: operands of one row or column are repeated."""
        rows = max(each.rows for each in operands)
        columns = max(each.columns for each in operands)
        if any(each.rows not in (1, rows) or each.columns not in (1, columns) for each in operands):
            raise NoPlanError
        whole = [each for each in operands if (each.rows, each.columns) == (rows, columns)]
        by_columns = self.results[0] not in self.kept and are_by_columns(whole)
        item, batched = self.dtype.itemsize, any(each.batched for each in operands)
        inner = (item, rows * item) if by_columns else (columns * item, item)
        point = rows * columns * item if batched else 0
        self.release_alike(rows, columns, (point, *inner))
        results = [
            self.result(rows, columns, operands, by_columns=by_columns) for _ in range(ufunc.nout)
        ]
        self.write(ufunc, [*operands, *results], work, by_columns=by_columns)

    def write(
        self,
        ufunc: np.ufunc,
        operands: Sequence[Operand],
        work: float = 1,
        *,
        by_columns: bool = False,
    ) -> None:
        """Call an elementwise loop; results are among the operands, the last of which is whole.

        As many columns, rows and points are taken at once as their steps allow. `work` is for each
        entry.
        """
        turned = [each.T for each in operands] if by_columns else operands
        rows, columns = turned[-1].rows, turned[-1].columns
        work *= rows * columns
        steps = [each.steps_of(rows, columns) for each in turned]
        if columns == 1:
            rows, columns, steps = 1, rows, [(point, 0, row) for point, row, _ in steps]
        if all(row == columns * column for _, row, column in steps):
            rows, columns = 1, rows * columns
        if rows == columns == 1:
            steps = [(point, 0, point) for point, _, _ in steps]
        joined = rows == 1 and all(point == columns * column for point, _, column in steps)
        by_point, by_row, inner = zip(*steps, strict=True)
        slots = [each.slot for each in operands]
        points = columns if joined else 0
        call = Call(ufunc, slots, (columns,), inner, 0, points, rows, by_point, by_row)
        self._add(call, operands, work)

    def reduce(self, ufunc: np.ufunc, initial: float, operand: Operand) -> None:
        """Call the loop of a binary ufunc as its `reduce` does, over the entries of each matrix."""
        flat = operand if operand.flat_step() is not None else operand.T
        step = flat.flat_step()
        if step is None:
            raise NoPlanError
        size, result = flat.rows * flat.columns, self.result(1, 1, [operand])
        self.write(np.conjugate, [self.constant(initial, 1, 1), result])
        slots = [result.slot, flat.slot, result.slot]
        by_point = (result.steps[0], flat.steps[0], result.steps[0])
        call = Call(ufunc, slots, (size,), (0, step, 0), 0, 0, 1, by_point, (0, 0, 0))
        self._add(call, [operand], size)

    def gufunc(
        self,
        ufunc: np.ufunc,
        dimensions: tuple[int, ...],
        operands: Sequence[Operand],
        core_steps: tuple[int, ...],
        *,
        work: float,
        stacked: bool = False,
    ) -> None:
        """Call the loop of a generalized ufunc for each point.

        Stacked, a product A B is called once, with the rows of all points as one matrix A.
        """
        by_point = tuple(each.steps[0] for each in operands)
        slots, sizes = [each.slot for each in operands], (1, *dimensions)
        if stacked:
            steps = (0, 0, 0, *core_steps)
            # One row becomes two that lie in the same place, as does what they give.
            single = (0, 0, 0, 0, *core_steps[1:4], 0, core_steps[5])
            call = Call(ufunc, slots, sizes, steps, 1, dimensions[0], 1, by_point, (), single)
        else:
            call = Call(ufunc, slots, sizes, (*by_point, *core_steps), 0, 1, 1, by_point, ())
        self._add(call, operands, work)

    def _add(self, call: Call, operands: Sequence[Operand], work: float) -> None:
        if loop_of(call.ufunc, self.dtype.num) < 0:
            raise NoPlanError
        batched = any(each.batched for each in operands)
        (self.calls if batched else self.once).append(call)
        self.work += work * (self.count or 1 if batched else 1)

    # ---- all of it ------------------------------------------------------------------------------

    def pipeline(self) -> Pipeline | None:
        """Return the pipeline, None if it would take much memory."""
        ordered = sorted(self.slots, key=lambda slot: slot.kind)
        for number, slot in enumerate(ordered):
            slot.number = number
        abouts = {kind: [slot.about for slot in ordered if slot.kind is kind] for kind in Kind}
        block, item = self._block(), self.dtype.itemsize
        shared, temporaries = (
            [slot.size * item for slot in ordered if slot.kind is kind]
            for kind in (Kind.SHARED, Kind.TEMPORARY)
        )
        if sum(shared) + block * sum(temporaries) > LARGEST:
            return None
        return Pipeline(
            self.dtype.num,
            self.count or 1,
            block,
            self.work,
            _one_thread if self.is_serial else self.threads,
            self.memory,
            abouts[Kind.INPUT],
            abouts[Kind.CONSTANT],
            abouts[Kind.RESULT],
            shared,
            temporaries,
            [_numbered(call) for call in self.once],
            [_numbered(call) for call in self.calls],
        )

    def _block(self) -> int:
        """Return how many points a block has."""
        sizes = sum(slot.size for slot in self.slots if slot.kind is not Kind.SHARED)
        block = max(1, BLOCK // max(1, sizes * self.dtype.itemsize))
        return min(block // GROUP * GROUP if block >= GROUP else block, self.count or 1)


def _one_thread() -> int:
    return 1


def _numbered(call: Call) -> tuple[Any, ...]:
    ufunc, slots, *others = call
    return (ufunc, tuple(slot.number for slot in slots), *others)
