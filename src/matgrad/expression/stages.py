"""A program in stages: each part of it runs when somebody asks for what it gives.

===========  ==========================================================================
level        instructions
===========  ==========================================================================
`CONSTANT`   depend on no variable that moves; they run once
`VALUE`      the rest of what the value needs
`GRADIENT`   what the gradient needs beyond that
`CURVATURE`  what a derivative in a direction needs beyond that, the same for all directions
`DIRECTION`  depend on the direction
===========  ==========================================================================

All stages work on one list of registers, so that a later stage finds what an earlier one has
computed: a factorisation serves the value, the gradient and every direction. What no later stage
reads is let go. A stage never writes over what an earlier one has set, so that a list of registers
can be copied and continued twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np

from matgrad._native.memory import Memory
from matgrad.expression.executor import VIEWS, Registers, Step
from matgrad.expression.pipelines import pipelined
from matgrad.expression.program import Instruction, Program, Register
from matgrad.expression.quadratics import join_quadratic_traces

# Operations that factorise a matrix.
FACTORISATIONS = frozenset({"factorise", "solve"})


class Level(IntEnum):
    """How far a point has been computed."""

    NOTHING = 0
    CONSTANT = 1
    VALUE = 2
    GRADIENT = 3
    CURVATURE = 4
    DIRECTION = 5


# To look a member up in its enumeration costs 0.1 us, which a point would pay six times.
CONSTANT, VALUE, GRADIENT = Level.CONSTANT, Level.VALUE, Level.GRADIENT
CURVATURE, DIRECTION = Level.CURVATURE, Level.DIRECTION


class Stages:
    """A program, cut where levels meet.

    Parameters
    ----------
    program : Program
        The program.
    outputs : mapping of Level to registers
        What is wanted at the levels VALUE, GRADIENT and DIRECTION.
    moving, directions : set of int
        The inputs that differ from point to point, and among the directions at a point.
    dtype : dtype
        The dtype of the inputs.
    memory : Memory
        Where results lie.
    """

    def __init__(
        self,
        program: Program,
        outputs: Mapping[Level, Sequence[Register]],
        moving: set[Register],
        directions: set[Register],
        dtype: np.dtype[Any],
        memory: Memory,
    ) -> None:
        self.program = program
        self.dtype = dtype
        self.memory = memory
        self.levels = _levels(program, outputs, moving, directions)
        self.numbers = {
            each.results[0]: each.attributes[0]
            for each in program.instructions
            if each.operation == "number"
        }
        self._steps: dict[tuple[Level, Level], list[Step]] = {}
        self._tallies: dict[tuple[Level, Level], tuple[int, int, int]] = {}

    def run(self, registers: Registers, start: Level, stop: Level) -> None:
        """Compute what lies above one level, up to another one."""
        steps = self._steps.get((start, stop))
        if steps is None:
            instructions = self._between(start, stop)
            steps = pipelined(instructions, self.dtype, self.numbers, self.memory)
            self._steps[start, stop] = steps
        for step in steps:
            step(registers)

    def tally(self, start: Level, stop: Level) -> tuple[int, int, int]:
        """Return how many values, gradients and factorisations lie between two levels."""
        found = self._tallies.get((start, stop))
        if found is None:
            instructions = zip(self.program.instructions, self.levels, strict=True)
            found = self._tallies[start, stop] = (
                int(start < Level.VALUE <= stop),
                int(start < Level.GRADIENT <= stop),
                sum(
                    each.operation in FACTORISATIONS and start < level <= stop
                    for each, level in instructions
                ),
            )
        return found

    @property
    def factorises(self) -> bool:
        """Whether some stage factorises a matrix."""
        return any(each.operation in FACTORISATIONS for each in self.program.instructions)

    def makes_last(self, register: Register) -> bool:
        """Return whether the stage of gradients sets a register, to an array of its own."""
        return any(
            register in each.results and level is GRADIENT and each.operation not in VIEWS
            for each, level in zip(self.program.instructions, self.levels, strict=True)
        )

    def _between(self, start: Level, stop: Level) -> Sequence[Instruction]:
        """Return the instructions of a stage; what later ones read has no last use in it."""
        leveled = list(zip(self.program.instructions, self.levels, strict=True))
        own = {r for each, level in leveled if start < level <= stop for r in each.results}
        later = {r for each, level in leveled if level > stop for r in each.operands}
        kept = later.union(self.program.outputs)
        return join_quadratic_traces(
            [
                replace(each, last_uses=tuple(own.intersection(each.last_uses) - kept))
                for each, level in leveled
                if start < level <= stop
            ]
        )


def _levels(
    program: Program,
    outputs: Mapping[Level, Sequence[Register]],
    moving: set[Register],
    directions: set[Register],
) -> list[Level]:
    """Return the level of each instruction."""
    follows_point = _dependent(program, moving | directions)
    follows_direction = _dependent(program, directions)
    found: dict[Register, Level] = {}
    for level in sorted(outputs):
        wanted = set(outputs[level])
        for each in reversed(program.instructions):
            if wanted.intersection(each.results):
                wanted.update(each.operands)
                for register in each.results:
                    found.setdefault(register, level)
    levels = []
    for each in program.instructions:
        level = min(found[register] for register in each.results)
        if not follows_point.intersection(each.results):
            level = Level.CONSTANT
        elif level is Level.DIRECTION and not follows_direction.intersection(each.results):
            level = Level.CURVATURE
        levels.append(level)
    return levels


def _dependent(program: Program, inputs: Iterable[Register]) -> set[Register]:
    """Return the registers that depend on some inputs."""
    dependent = set(inputs)
    for each in program.instructions:
        if dependent.intersection(each.operands):
            dependent.update(each.results)
    return dependent
