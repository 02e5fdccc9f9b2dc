"""The executor on NumPy: runs a program on whole batches, with ufuncs, gufuncs and BLAS.

It knows nothing of expressions, as programs know nothing of arrays; another executor can take its
place. A register is an array of shape (..., rows, columns). A temporary is let go after its last
use, and an elementwise operation writes into a temporary that nobody else will read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from matgrad.expression.operations import (
    CONSTANTS,
    OPERATIONS,
    PAIRS,
    UFUNCS,
    Array,
    factorisation,
)
from matgrad.expression.program import Attribute, Instruction, Program, Register
from matgrad.expression.quadratics import join_quadratic_traces

# The registers of a run, None before and after their use.
Registers: TypeAlias = list[Any]
Step: TypeAlias = Callable[[Registers], None]

# Operations whose results share memory with their operands.
VIEWS = frozenset({"transpose", "vec"})

# Allocating less than this many bytes is faster than asking whether they can be spared.
SMALLEST_REUSED = 1 << 15


def prepare(program: Program, dtype: np.dtype[Any]) -> Callable[[Iterable[Array]], list[Array]]:
    """Return what runs a program.

    Parameters
    ----------
    program : Program
        The program.
    dtype : dtype
        The dtype of its inputs, and so of its constants.

    Returns
    -------
    callable
        Takes the inputs, of shape (..., rows, columns), and returns the outputs, likewise. No
        output shares memory with an input or another output. It may run in several threads.
    """
    steps = steps_of(join_quadratic_traces(program.instructions), dtype)
    copied = _outputs_to_copy(program)

    def run(inputs: Iterable[Array]) -> list[Array]:
        registers: Registers = [*inputs, *[None] * (program.registers - program.inputs)]
        for step in steps:
            step(registers)
        outputs = [registers[register] for register in program.outputs]
        return [each.copy(order="K") if k in copied else each for k, each in enumerate(outputs)]

    return run


def steps_of(
    instructions: Iterable[Instruction],
    dtype: np.dtype[Any],
    numbers: Mapping[Register, Attribute] = MappingProxyType({}),
) -> list[Step]:
    """Return what runs instructions on registers, one step for each.

    Only what these instructions have set themselves is written over, and only at a last use.
    `numbers` are those that other instructions have set.
    """
    steps: list[Step] = []
    owners: set[Register] = set()
    known = dict(numbers)
    for instruction in instructions:
        if instruction.operation == "number":
            known[instruction.results[0]] = instruction.attributes[0]
        steps.append(_step(instruction, dtype, owners, known))
        if instruction.operation in VIEWS:
            owners.difference_update(instruction.operands)
        elif instruction.operation != "number":
            owners.update(instruction.results)
    return steps


def _step(
    instruction: Instruction,
    dtype: np.dtype[Any],
    owners: set[Register],
    numbers: Mapping[Register, Attribute],
) -> Step:
    """Return what runs an instruction, when `owners` are the registers with memory of their own."""
    operation = instruction.operation
    if operation == "number":
        number = np.full((1, 1), instruction.attributes[0], dtype)
        return _plain(instruction, lambda: number)
    if operation in CONSTANTS:
        return _plain(instruction, partial(CONSTANTS[operation], dtype, *instruction.attributes))
    if operation == "factorise":
        return _several(instruction, factorisation(instruction.attributes))
    if operation in PAIRS:
        return _several(instruction, PAIRS[operation])
    if operation not in UFUNCS:
        return _plain(instruction, OPERATIONS[operation])
    dying = owners.intersection(instruction.last_uses)
    instruction, ufunc = _with_number(instruction, UFUNCS[operation], numbers, dtype)
    mine = [place for place, register in enumerate(instruction.operands) if register in dying]
    return _elementwise(instruction, ufunc, mine)


def _with_number(
    instruction: Instruction,
    ufunc: Callable[..., Array],
    numbers: Mapping[Register, Attribute],
    dtype: np.dtype[Any],
) -> tuple[Instruction, Callable[..., Array]]:
    """Return an instruction without its operand that is a number, which its function gets instead.

    An array without axes spares NumPy the broadcasting that a 1 x 1 matrix asks for: 0.4 us for a
    small matrix instead of 0.8.
    """
    match instruction.operands:
        case (a, b) if (a in numbers) != (b in numbers):
            number = np.asarray(numbers[a if a in numbers else b], dtype)
        case _:
            return instruction, ufunc
    if a in numbers:
        return replace(instruction, operands=(b,)), partial(ufunc, number)

    def of_first(first: Array, out: Array | None = None) -> Array:
        return ufunc(first, number, out=out)

    return replace(instruction, operands=(a,)), of_first


def _plain(instruction: Instruction, function: Callable[..., Array]) -> Step:
    """Return the step of an operation with one result.

    A step costs 0.1 us beside its function; one that unpacked a list of operands cost 0.3.
    """
    operands, last_uses = instruction.operands, instruction.last_uses
    (result,) = instruction.results

    def unary(registers: Registers) -> None:
        registers[result] = function(registers[first])
        for register in last_uses:
            registers[register] = None

    def binary(registers: Registers) -> None:
        registers[result] = function(registers[first], registers[second])
        for register in last_uses:
            registers[register] = None

    def general(registers: Registers) -> None:
        registers[result] = function(*[registers[register] for register in operands])
        for register in last_uses:
            registers[register] = None

    first, second = (*operands, -1, -1)[:2]
    return {1: unary, 2: binary}.get(len(operands), general)


def _several(instruction: Instruction, function: Callable[..., Sequence[Array]]) -> Step:
    """Return the step of an operation with several results."""
    results, last_uses = instruction.results, instruction.last_uses

    def step(registers: Registers) -> None:
        operands = [registers[register] for register in instruction.operands]
        for register, result in zip(results, function(*operands), strict=True):
            registers[register] = result
        for register in last_uses:
            registers[register] = None

    return step


def _elementwise(
    instruction: Instruction, ufunc: Callable[..., Array], mine: Sequence[int]
) -> Step:
    """Return a step that writes into an operand that is its own, where that pays and one fits."""

    def in_place(*operands: Array) -> Array:
        for place in mine:
            target = operands[place]
            pays = target.nbytes >= SMALLEST_REUSED and target.dtype.kind == "f"
            if pays and all(_fits(operand, target) for operand in operands):
                return ufunc(*operands, out=target)
        return ufunc(*operands)

    return _plain(instruction, in_place if mine else ufunc)


def _fits(operand: Array, target: Array) -> bool:
    if operand.dtype != target.dtype:
        return False
    missing = target.ndim - operand.ndim
    return operand.shape == target.shape or (
        missing >= 0
        and all(a in (1, b) for a, b in zip(operand.shape, target.shape[missing:], strict=True))
    )


def _outputs_to_copy(program: Program) -> set[int]:
    """Return the places of outputs whose memory an input, a number or an earlier output has."""
    sources = {
        instruction.results[0]: instruction.operands[0]
        for instruction in program.instructions
        if instruction.operation in VIEWS
    }
    numbers = (each.results[0] for each in program.instructions if each.operation == "number")
    taken, copied = {*range(program.inputs), *numbers}, set[int]()
    for place, register in enumerate(program.outputs):
        while register in sources:
            register = sources[register]
        if register in taken:
            copied.add(place)
        taken.add(register)
    return copied
