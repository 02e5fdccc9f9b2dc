"""tr(X A X' Q) and its gradient Q X A + Q'X A' of small matrices, by one kernel.

Four products, a sum and a trace compute both. The kernel, which keeps all products in registers,
takes 0.5 to 0.8 of their time. So the value becomes a `quadratic_trace` and the gradient a
`quadratic_trace_gradient`: two instructions, since an optimizer may ask for them apart. Where they
run together, they are one, `quadratic_trace_and_gradient`. No bit depends on that.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from matgrad._native import kernels
from matgrad.expression.builder import Extent
from matgrad.expression.program import Instruction, Program, Register, assemble

VALUE = "quadratic_trace"
GRADIENT = "quadratic_trace_gradient"
BOTH = "quadratic_trace_and_gradient"


def take_quadratic_traces(program: Program, inputs: Sequence[Extent]) -> Program:
    """Return the program that leaves what the kernel does in less time to the kernel."""
    taken: dict[Register, Instruction] = {}
    for value, gradient, operands in _Search(program, inputs).quadratic_traces():
        taken[value] = Instruction(VALUE, operands, (value,))
        taken[gradient] = Instruction(GRADIENT, operands, (gradient,))
    if not taken:
        return program
    instructions = [taken.get(each.results[0], each) for each in program.instructions]
    return assemble(program.inputs, instructions, program.outputs)


def join_quadratic_traces(instructions: Sequence[Instruction]) -> Sequence[Instruction]:
    """Return instructions that run together, values and gradients of the same as one."""
    values, gradients = (
        {each.operands: each.results for each in instructions if each.operation == operation}
        for operation in (VALUE, GRADIENT)
    )
    pairs = values.keys() & gradients.keys()
    if not pairs:
        return instructions
    joined: list[Instruction] = []
    for each in instructions:
        if each.operation not in (VALUE, GRADIENT) or each.operands not in pairs:
            joined.append(each)
        elif all(each.operands != other.operands for other in joined if other.operation == BOTH):
            results = values[each.operands] + gradients[each.operands]
            joined.append(Instruction(BOTH, each.operands, results))
    return _with_last_uses(joined, instructions)


def _with_last_uses(
    instructions: Iterable[Instruction], before: Iterable[Instruction]
) -> list[Instruction]:
    """Return instructions in which what was let go before is let go at its last use."""
    dying = {register for each in before for register in each.last_uses}
    found: list[Instruction] = []
    for each in reversed(list(instructions)):
        last_uses = tuple(dying.intersection((*each.operands, *each.results)))
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
    """A program, and who makes its registers."""

    def __init__(self, program: Program, inputs: Sequence[Extent]) -> None:
        self.program = program
        self.inputs = inputs
        self.made = {r: each for each in program.instructions for r in each.results}
        self.transposes = {
            each.results[0]: each.operands[0]
            for each in program.instructions
            if each.operation == "transpose"
        }

    def quadratic_traces(self) -> Iterator[tuple[Register, Register, tuple[Register, ...]]]:
        """Yield value, gradient and X, A, Q, where <X, Q X A> and Q X A + Q'X A' are computed."""
        sums = [each for each in self.program.instructions if each.operation == "add"]
        traces = [each for each in self.program.instructions if each.operation == "trace_product"]
        for total, trace in product(sums, traces):
            for one, other in product(*map(self.sandwiches, total.operands)):
                if self.is_gradient(one, other) and self.is_inner(trace, one.middle, total):
                    Q, X, A, _ = one if one.left not in self.transposes else other
                    inner = {*total.operands, one.inner, other.inner}
                    inner |= {r for r in trace.operands if self.transposes.get(r) in inner}
                    value, gradient = trace.results[0], total.results[0]
                    if (
                        self.is_fast(X, A, Q)
                        and self.are_made((A, Q), before={value, gradient})
                        and self.are_read_by(inner, inner | {value, gradient})
                    ):
                        yield value, gradient, (X, A, Q)

    def sandwiches(self, register: Register) -> Iterator[_Sandwich]:
        """Yield the ways in which a register is the product of three."""
        match self.made.get(register):
            case Instruction("product", (a, b)):
                match self.made.get(a):
                    case Instruction("product", (left, middle)):
                        yield _Sandwich(left, middle, b, a)
                match self.made.get(b):
                    case Instruction("product", (middle, right)):
                        yield _Sandwich(a, middle, right, b)

    def is_gradient(self, one: _Sandwich, other: _Sandwich) -> bool:
        """Return whether two products are Q X A and Q'X A'."""
        return (
            one.middle == other.middle
            and self.are_mirrored(one.left, other.left)
            and self.are_mirrored(one.right, other.right)
        )

    def is_inner(self, trace: Instruction, X: Register, total: Instruction) -> bool:
        """Return whether a trace of a product is <X, P> for a term P of a sum."""
        a, b = trace.operands
        return any(
            (one == X and self.are_mirrored(other, P)) or (one == P and self.are_mirrored(other, X))
            for P in total.operands
            for one, other in ((a, b), (b, a))
        )

    def are_mirrored(self, a: Register, b: Register) -> bool:
        """Return whether one is the other, transposed."""
        return self.transposes.get(a) == b or self.transposes.get(b) == a

    def is_fast(self, X: Register, A: Register, Q: Register) -> bool:
        """Return whether the kernel takes less time, if A and Q are inputs, whose sizes show it."""
        extents = [self.extent(register) for register in (A, Q, X)]
        if extents[0] is None or extents[1] is None:
            return False
        batched = any(each.batched for each in extents if each is not None)
        m, n = extents[0].rows, extents[1].rows
        return kernels.has_fast_quadratic_trace(n, m, batched)

    def extent(self, register: Register) -> Extent | None:
        """Return the extent of an input, that of a square one also if it is transposed."""
        source = self.transposes.get(register, register)
        return self.inputs[source] if source < len(self.inputs) else None

    def are_made(self, registers: Collection[Register], before: set[Register]) -> bool:
        """Return whether registers are there before the first of others is."""
        there = set(range(self.program.inputs))
        for each in self.program.instructions:
            if not before.isdisjoint(each.results):
                return there.issuperset(registers)
            there.update(each.results)
        return False

    def are_read_by(self, registers: set[Register], results: set[Register]) -> bool:
        """Return whether only instructions with these results read registers."""
        return registers.isdisjoint(self.program.outputs) and all(
            each.results[0] in results
            for each in self.program.instructions
            if not registers.isdisjoint(each.operands)
        )
