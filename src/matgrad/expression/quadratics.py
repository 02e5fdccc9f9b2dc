"""tr(X A X' Q) and its gradient Q X A + Q'X A' of small matrices, by one kernel.

Four products, a sum and a trace compute both. The kernel, which keeps all products in registers,
takes 0.5 to 0.8 of their time. So the value becomes a `quadratic_trace` and the gradient a
`quadratic_trace_gradient`: two instructions, since an optimizer may ask for them apart. Where they
run together, they are one, `quadratic_trace_and_gradient`, which has the same bits. If others
read the products, these are computed besides: bits shall not depend on what others ask for.
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
    """Return instructions that run together, a value and a gradient of the same as one.

    The same may be there several times, since the builder, too, emits `quadratic_trace`.
    """
    values, gradients = _firsts(instructions, VALUE), _firsts(instructions, GRADIENT)
    joined: dict[Register, Instruction | None] = {}
    for operands in values.keys() & gradients.keys():
        first, second = sorted(
            (values[operands], gradients[operands]), key=lambda each: instructions.index(each)
        )
        results = values[operands].results + gradients[operands].results
        joined[first.results[0]] = Instruction(BOTH, operands, results)
        joined[second.results[0]] = None
    if not joined:
        return instructions
    kept = (joined.get(each.results[0], each) for each in instructions)
    return _let_go([each for each in kept if each is not None], instructions)


def _firsts(
    instructions: Iterable[Instruction], operation: str
) -> dict[tuple[Register, ...], Instruction]:
    """Return the first instruction of an operation for each of its operands."""
    found: dict[tuple[Register, ...], Instruction] = {}
    for each in instructions:
        if each.operation == operation:
            found.setdefault(each.operands, each)
    return found


def _let_go(
    instructions: Sequence[Instruction], before: Iterable[Instruction]
) -> list[Instruction]:
    """Return instructions after whose last use of it a register is let go, if it was before."""
    dying = {register for each in before for register in each.last_uses}
    found: list[Instruction] = []
    for each in reversed(instructions):
        last_uses = tuple(dying.intersection((*each.operands, *each.results)))
        dying.difference_update(last_uses)
        found.insert(0, replace(each, last_uses=last_uses))
    return found


class _Sandwich(NamedTuple):
    """The product L X R."""

    left: Register
    middle: Register
    right: Register


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
                    Q, X, A = one if one.left not in self.transposes else other
                    value, gradient = trace.results[0], total.results[0]
                    is_made = self.are_made((A, Q), before={value, gradient})
                    if is_made and self.is_fast(A, Q):
                        yield value, gradient, (X, A, Q)

    def sandwiches(self, register: Register) -> Iterator[_Sandwich]:
        """Yield the ways in which a register is the product of three."""
        match self.made.get(register):
            case Instruction("product", (a, b)):
                match self.made.get(a):
                    case Instruction("product", (left, middle)):
                        yield _Sandwich(left, middle, b)
                match self.made.get(b):
                    case Instruction("product", (middle, right)):
                        yield _Sandwich(a, middle, right)

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

    def is_fast(self, A: Register, Q: Register) -> bool:
        """Return whether the kernel takes less time; not where A or Q is computed.

        Only the sizes of inputs are known here. Whether there is a batch is not asked: a problem
        shall have the same bits alone.
        """
        sources = [self.transposes.get(register, register) for register in (Q, A)]
        if max(sources) >= len(self.inputs):
            return False
        n, m = (self.inputs[source].rows for source in sources)
        return kernels.has_fast_quadratic_trace(n, m)

    def are_made(self, registers: Collection[Register], before: set[Register]) -> bool:
        """Return whether registers are there before the first of others is."""
        there = set(range(self.program.inputs))
        for each in self.program.instructions:
            if not before.isdisjoint(each.results):
                return there.issuperset(registers)
            there.update(each.results)
        return False
