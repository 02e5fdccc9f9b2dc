"""Pipelines: instructions in a row that loops of ufuncs carry out, run in one call.

Which loops, and with what steps, depends on the shapes of the registers. So a pipeline is planned
when such registers come first, and kept for the next ones. An instruction without a plan (arrays
with several batch axes, an operation without a loop for its dtype, large matrices) is a step of the
executor's, between two pipelines. Both compute the same, up to roundings in sums.
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

# Plans that are kept for instructions; a point and its directions have different shapes.
MOST_PLANS = 16


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
        made = {register for each in instructions for register in each.results}
        read = {register for each in instructions for register in each.operands}
        last = {register for each in instructions for register in each.last_uses}
        self.inputs = sorted(read - made - numbers.keys())
        self.views = _views_that_remain(instructions, made - last)
        bases = made.intersection(each.operands[0] for each in self.views)
        viewed = {each.results[0] for each in self.views}
        self.kept = (made - last | bases) - viewed
        self.dying = sorted(last.intersection({*self.inputs, *bases}))
        self.pipeline: Pipeline | None = None
        # What runs, by the looks of the inputs.
        self.plans: dict[Any, Pipeline | list[Step]] = {}

    def __call__(self, registers: Registers) -> None:
        pipeline = self.pipeline
        if pipeline is None or not pipeline.run(registers):
            found = self.found(registers)
            if not isinstance(found, Pipeline):
                for step in found:
                    step(registers)
                return
            self.pipeline = found
            found.run(registers)
        for view in self.views:
            registers[view.results[0]] = registers[view.operands[0]].mT
        for register in self.dying:
            registers[register] = None

    def found(self, registers: Registers) -> Pipeline | list[Step]:
        """Return what runs on registers like these."""
        arrays = [registers[register] for register in self.inputs]
        looks = tuple((a.shape, a.strides, a.dtype, a.flags.aligned, type(a)) for a in arrays)
        found = self.plans.get(looks)
        if found is None:
            if len(self.plans) == MOST_PLANS:
                self.plans = {}
            self.plans[looks] = found = self.planned(registers)
        return found

    def planned(self, registers: Registers) -> Pipeline | list[Step]:
        """Return a pipeline, or steps if something has no plan."""
        plan = Plan(self.dtype, kernels.get_num_threads)
        if all(plan.reads(register, registers[register]) for register in self.inputs):
            for place, instruction in enumerate(self.instructions):
                try:
                    self.follow(plan, instruction)
                except NoPlanError:
                    return self.around(place)
            pipeline = plan.pipeline()
            if pipeline is not None:
                return pipeline
        return steps_of(self.instructions, self.dtype, self.numbers)

    def around(self, place: int) -> list[Step]:
        """Return pipelines before and after an instruction, and its own step."""
        return [
            *pipelined(self.instructions[:place], self.dtype, self.numbers),
            *steps_of([self.instructions[place]], self.dtype, self.numbers),
            *pipelined(self.instructions[place + 1 :], self.dtype, self.numbers),
        ]

    def follow(self, plan: Plan, instruction: Instruction) -> None:
        """Plan an instruction."""
        for register in self.numbers.keys() & instruction.operands:
            plan.number(register, self.numbers[register])
        plan.begin(instruction, self.kept)
        operands = [plan.operand(register) for register in instruction.operands]
        RECIPES[instruction.operation](plan, *operands, *instruction.attributes)
        plan.finish()


def _views_that_remain(
    instructions: Sequence[Instruction], kept: set[Register]
) -> list[Instruction]:
    """Return the transpositions whose results remain, or are what others of them are taken of."""
    views: list[Instruction] = []
    wanted = set(kept)
    for each in reversed(instructions):
        if each.operation == "transpose" and each.results[0] in wanted:
            views.insert(0, each)
            wanted.update(each.operands)
    return views
