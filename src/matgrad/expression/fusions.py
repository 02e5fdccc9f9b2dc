"""Fusions: instructions that one loop can carry out together, where they run together.

tr(X A X' Q) and its gradient Q X A + Q'X A' share a product: the value is <X, Q X A>. A program
computes them as four products, a sum and a trace, which an oracle runs apart if it is asked for
the value first. Asked for both, it may have them of one kernel. Whether that is faster depends on
shapes, which only a plan knows, so that both ways are kept until then.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from matgrad.expression.program import Instruction, Program, Register

QUADRATIC_TRACE = "quadratic_trace_and_gradient"


class Fusion(NamedTuple):
    """An instruction, and the results of those whose place it takes, its own among them."""

    instruction: Instruction
    parts: frozenset[Register]


def fusions_of(program: Program) -> list[Fusion]:
    """Return what can be fused in a program."""
    return list(_Search(program).quadratic_traces())


def fused(
    instructions: Sequence[Instruction], fusions: Iterable[Fusion]
) -> Sequence[Instruction] | None:
    """Return instructions in which fusions take the place of their parts; None if none can.

    A fusion comes where the first of its results did, if all that it reads is there by then.
    """
    kept = list(instructions)
    for fusion in fusions:
        found = [each for each in kept if fusion.parts.issuperset(each.results)]
        if sum(len(each.results) for each in found) < len(fusion.parts):
            continue
        first = next(each for each in found if each.results[0] in fusion.instruction.results)
        place = kept.index(first)
        late = {register for each in kept[place:] for register in each.results}
        if late.isdisjoint(fusion.instruction.operands):
            kept[place] = fusion.instruction
            kept = [each for each in kept if each not in found]
    return _with_last_uses(kept, instructions) if len(kept) < len(instructions) else None


def _with_last_uses(
    instructions: Iterable[Instruction], before: Iterable[Instruction]
) -> list[Instruction]:
    """Return instructions in which what was let go before is let go at its last use."""
    dying = {register for each in before for register in each.last_uses}
    found: list[Instruction] = []
    for each in reversed(list(instructions)):
        last_uses = tuple(dying.intersection(each.operands))
        dying.difference_update(last_uses)
        found.insert(0, replace(each, last_uses=last_uses))
    return found


class _Sandwich(NamedTuple):
    """The product L X R, one of whose products is another register."""

    left: Register
    middle: Register
    right: Register
    inner: Register


class _Search:
    """A program, and who makes and reads its registers."""

    def __init__(self, program: Program) -> None:
        self.instructions = program.instructions
        self.outputs = program.outputs
        self.made = {r: each for each in program.instructions for r in each.results}
        self.transposes = {
            each.results[0]: each.operands[0]
            for each in program.instructions
            if each.operation == "transpose"
        }

    def quadratic_traces(self) -> Iterator[Fusion]:
        """Yield each sum L X R + L'X R' beside which <X, L X R> is computed."""
        sums = [each for each in self.instructions if each.operation == "add"]
        traces = [each for each in self.instructions if each.operation == "trace_product"]
        for total, trace in product(sums, traces):
            first, second = total.operands
            for one, other in product(self.sandwiches(first), self.sandwiches(second)):
                X = one.middle
                is_gradient = (
                    other.middle == X
                    and self.are_mirrored(one.left, other.left)
                    and self.are_mirrored(one.right, other.right)
                )
                if is_gradient and any(self.is_inner(trace, X, P) for P in total.operands):
                    results = trace.results[0], total.results[0]
                    inner = {first, second, one.inner, other.inner}
                    inner |= {r for r in trace.operands if self.transposes.get(r) in inner}
                    if self.are_read_by(inner, inner.union(results)):
                        Q, _, A, _ = one if one.left not in self.transposes else other
                        instruction = Instruction(QUADRATIC_TRACE, (X, A, Q), results)
                        yield Fusion(instruction, frozenset(inner.union(results)))

    def sandwiches(self, register: Register) -> Iterator[_Sandwich]:
        """Yield the ways in which a register is the product of three."""
        made = self.made.get(register)
        if made is None or made.operation != "product":
            return
        a, b = made.operands
        for inner in (a, b):
            within = self.made.get(inner)
            if within is not None and within.operation == "product":
                left, middle = within.operands if inner == a else (a, within.operands[0])
                yield _Sandwich(left, middle, b if inner == a else within.operands[1], inner)

    def are_mirrored(self, a: Register, b: Register) -> bool:
        """Return whether one is the other, transposed."""
        return self.transposes.get(a) == b or self.transposes.get(b) == a

    def is_inner(self, trace: Instruction, X: Register, P: Register) -> bool:
        """Return whether a trace of a product is <X, P>."""
        a, b = trace.operands
        return any(
            (one == X and self.are_mirrored(other, P)) or (one == P and self.are_mirrored(other, X))
            for one, other in ((a, b), (b, a))
        )

    def are_read_by(self, registers: Collection[Register], results: Collection[Register]) -> bool:
        """Return whether only instructions with these results read registers."""
        return not any(register in self.outputs for register in registers) and all(
            each.results[0] in results
            for each in self.instructions
            if not set(registers).isdisjoint(each.operands)
        )
