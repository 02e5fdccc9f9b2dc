"""Pipelines: instructions in a row that loops of ufuncs carry out, run in one call.

Which loops, and with what steps, depends on the shapes of the registers. So a pipeline is planned
when such registers come first, and kept for the next ones. An instruction without a plan (of large
matrices, or without a loop for its dtype) is a step of the executor's, between two pipelines; all
are, where arrays have several batch axes. Both compute the same, up to roundings in sums.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from matgrad._native import kernels
from matgrad._native.memory import Memory
from matgrad._native.pipeline import Pipeline
from matgrad.expression.executor import Registers, Step, steps_of
from matgrad.expression.plan import NoPlanError, Plan
from matgrad.expression.program import Attribute, Instruction, Register
from matgrad.expression.recipes import RECIPES, SUMS_WITH_PRODUCTS, sum_with_product

# Plans that are kept for instructions; a point and its directions have different shapes.
MOST_PLANS = 16


def pipelined(
    instructions: Iterable[Instruction],
    dtype: np.dtype[Any],
    numbers: Mapping[Register, Attribute],
    memory: Memory,
) -> list[Step]:
    """Return what runs instructions on registers, in as few steps as may be.

    They do what `executor.steps_of` does, but floating-point flags are lost. Results lie in
    `memory`.
    """
    steps: list[Step] = []
    for has_recipe, group in groupby(instructions, lambda each: each.operation in RECIPES):
        part = list(group)
        if has_recipe and dtype.kind == "f":
            steps.append(_Segment(part, dtype, numbers, memory))
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
        memory: Memory,
    ) -> None:
        self.instructions = instructions
        self.dtype = dtype
        self.numbers = numbers
        self.memory = memory
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
        if self.pipeline is not None and self.pipeline.run(registers):
            if self.views or self.dying:
                self.finish(registers)
            return
        arrays = [registers[register] for register in self.inputs]
        looks = tuple((a.shape, a.strides, a.dtype, a.flags.aligned, type(a)) for a in arrays)
        found = self.plans.get(looks)
        if isinstance(found, Pipeline):
            self.pipeline = found
            found.run(registers)
            self.finish(registers)
        elif found is not None:
            for step in found:
                step(registers)
        else:
            if len(self.plans) == MOST_PLANS:
                self.plans = {}
            self.plans[looks] = self.first(registers)

    def finish(self, registers: Registers) -> None:
        """Set the views that remain, and let go what nobody reads."""
        for view in self.views:
            registers[view.results[0]] = registers[view.operands[0]].mT
        for register in self.dying:
            registers[register] = None

    def first(self, registers: Registers) -> Pipeline | list[Step]:
        """Run on registers like none before, and return what runs on the next ones."""
        pipeline, _ = self.planned(registers)
        if pipeline is not None:
            self.pipeline = pipeline
            pipeline.run(registers)
            self.finish(registers)
            return pipeline
        steps: list[Step] = []
        for step in self.pieces(registers):
            step(registers)
            steps.append(step)
        return steps

    def pieces(self, registers: Registers) -> Iterator[Step]:
        """Yield pipelines and, for what has no plan, steps; each runs before the next is made."""
        rest = self.instructions
        while rest:
            shared = self.dtype, self.numbers, self.memory
            _, place = _Segment(rest, *shared).planned(registers)
            yield from pipelined(rest[:place], *shared)
            yield from steps_of(rest[place : place + 1], self.dtype, self.numbers)
            rest = rest[place + 1 :]

    def planned(self, registers: Registers) -> tuple[Pipeline | None, int]:
        """Return the pipeline, if all has a plan, and how many instructions at the start have."""
        plan = Plan(self.dtype, kernels.get_num_threads, self.memory)
        if not all(plan.reads(register, registers[register]) for register in self.inputs):
            return None, 0
        place = 0
        while place < len(self.instructions):
            try:
                place += self.follow(plan, *self.instructions[place : place + 2])
            except NoPlanError:
                return None, place
        pipeline = plan.pipeline()
        return pipeline, 0 if pipeline is None else place

    def follow(
        self, plan: Plan, instruction: Instruction, following: Instruction | None = None
    ) -> int:
        """Plan an instruction, with the next one if one loop does both; return how many."""
        if following is not None and self.is_summand(instruction, following):
            try:
                self.follow_sum(plan, instruction, following)
            except NoPlanError:
                pass
            else:
                return 2
        for register in self.numbers.keys() & instruction.operands:
            plan.number(register, self.numbers[register])
        plan.begin(instruction, self.kept)
        operands = [plan.operand(register) for register in instruction.operands]
        RECIPES[instruction.operation](plan, *operands, *instruction.attributes)
        plan.finish()
        return 1

    def is_summand(self, product: Instruction, total: Instruction) -> bool:
        """Return whether a product is read by a sum, and by nothing else."""
        (register, *_) = product.results
        return (
            product.operation == "product"
            and total.operation in ("add", "subtract")
            and total.operands.count(register) == 1
            and register in total.last_uses
            and self.numbers.keys().isdisjoint((*product.operands, *total.operands))
        )

    def follow_sum(self, plan: Plan, product: Instruction, total: Instruction) -> None:
        """Plan a product and its sum with something."""
        (register,) = product.results
        last_uses = {*product.last_uses, *total.last_uses} - {register}
        (other,) = (each for each in total.operands if each != register)
        plan.begin(replace(total, last_uses=tuple(last_uses)), self.kept)
        ufunc = SUMS_WITH_PRODUCTS[total.operation, total.operands[0] == register]
        sum_with_product(plan, ufunc, *map(plan.operand, (*product.operands, other)))
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
