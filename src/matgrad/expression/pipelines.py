"""Pipelines: instructions in a row that loops of ufuncs carry out, run in one call.

Which loops, and with what steps, depends on the shapes of the registers. So a pipeline is planned
when it runs first and planned anew when they have changed; where there is no plan for them (arrays
with several batch axes, or none at all, an operation that has no loop for its dtype) the steps of
the executor run. Both compute the same, up to roundings in sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from matgrad._native import kernels
from matgrad._native.pipeline import Pipeline
from matgrad.expression.executor import Registers, Step, steps_of
from matgrad.expression.plan import NoPlanError, Plan
from matgrad.expression.program import Attribute, Instruction, Register
from matgrad.expression.recipes import RECIPES


def pipelined(
    instructions: Iterable[Instruction],
    dtype: np.dtype[Any],
    numbers: Mapping[Register, Attribute],
) -> list[Step]:
    """Return what runs instructions on registers, in as few steps as may be.

    They do what `executor.steps_of` does, but floating-point flags are lost.
    """
    steps: list[Step] = []
    for has_recipe, group in groupby(instructions, lambda each: each.operation in RECIPES):
        part = list(group)
        if has_recipe and len(part) > 1 and dtype.kind == "f":
            steps.append(_Segment(part, dtype, numbers))
        else:
            steps += steps_of(part, dtype, numbers)
    return steps


class _Segment:
    """Instructions in a row, as one step."""

    def __init__(
        self,
        instructions: Sequence[Instruction],
        dtype: np.dtype[Any],
        numbers: Mapping[Register, Attribute],
    ) -> None:
        self.instructions = instructions
        self.dtype = dtype
        self.numbers = numbers
        self.steps = steps_of(instructions, dtype, numbers)
        made = {register for each in instructions for register in each.results}
        read = {register for each in instructions for register in each.operands}
        self.inputs = sorted(read - made - numbers.keys())
        dying = {register for each in instructions for register in each.last_uses}
        # A view that remains is taken of what remains, too, if only until then.
        self.views: list[Instruction] = []
        self.kept = made - dying
        for each in reversed(instructions):
            if each.operation == "transpose" and each.results[0] in self.kept:
                self.views.insert(0, each)
                self.kept |= made.intersection(each.operands)
        self.kept -= {each.results[0] for each in self.views}
        self.dying = sorted(dying.intersection({*self.inputs, *self.kept}))
        self.pipeline: Pipeline | None = None
        # The shapes and strides for which there is no plan.
        self.unplanned: Any = None

    def __call__(self, registers: Registers) -> None:
        pipeline = self.pipeline
        if pipeline is None or not pipeline.run(registers):
            pipeline = self.plan(registers)
            if pipeline is None or not pipeline.run(registers):
                for step in self.steps:
                    step(registers)
                return
        for view in self.views:
            registers[view.results[0]] = registers[view.operands[0]].mT
        for register in self.dying:
            registers[register] = None

    def plan(self, registers: Registers) -> Pipeline | None:
        """Return the pipeline for registers like these."""
        looks = [(registers[k].shape, registers[k].strides) for k in self.inputs]
        if looks == self.unplanned:
            return None
        plan = Plan(self.dtype, kernels.get_num_threads)
        try:
            for register in self.inputs:
                plan.read(register, registers[register])
            for instruction in self.instructions:
                self.follow(plan, instruction)
            self.pipeline = plan.pipeline()
        except NoPlanError:
            self.unplanned = looks
            return None
        return self.pipeline

    def follow(self, plan: Plan, instruction: Instruction) -> None:
        """Plan an instruction."""
        for register in instruction.operands:
            if register in self.numbers:
                plan.number(register, self.numbers[register])
        plan.begin(instruction, self.kept)
        operands = [plan.operand(register) for register in instruction.operands]
        RECIPES[instruction.operation](plan, *operands, *instruction.attributes)
        plan.finish()
