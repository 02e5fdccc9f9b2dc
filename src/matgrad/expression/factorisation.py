"""One factorisation for everything that a program asks of the same matrix.

det, logdet, inverse and adjugate of a matrix become one instruction. A matrix with which a program
solves once, and does nothing else, stays a solve. Otherwise its inverse is formed, once: a kernel
gives it together with the determinant, and it serves every right-hand side. (A product with the
inverse has the forward error of a solve: Druinsky and Toledo, "How accurate is inv(A)*b?",
arXiv:1201.6035.)
"""

from collections.abc import Iterator, Sequence
from itertools import count

from matgrad.expression.program import Instruction, Program, Register, assemble


def share_factorisations(program: Program) -> Program:
    """Return the program in which every matrix is factorised once.

    The one exception: a singular matrix has an adjugate but no inverse, so that the adjugate (with
    the determinant) and the inverse (with its logarithm) are two.
    """
    sources = {
        each.results[0]: each.operands[0]
        for each in program.instructions
        if each.operation == "transpose"
    }
    groups: dict[Register, list[Instruction]] = {}
    for each in program.instructions:
        if each.operation in ("factorise", "solve"):
            groups.setdefault(sources.get(each.operands[0], each.operands[0]), []).append(each)
    sharing = _Sharing(groups, sources, program.registers)
    instructions = [new for each in program.instructions for new in sharing.replacement(each)]
    return assemble(program.inputs, instructions, program.outputs)


class _Sharing:
    """Replaces instructions of groups, the first by the shared one, the others by what it gives."""

    def __init__(
        self,
        groups: dict[Register, list[Instruction]],
        sources: dict[Register, Register],
        registers: int,
    ) -> None:
        self.groups = {
            instruction: matrix
            for matrix, group in groups.items()
            for instruction in group
            if len(group) > 1
        }
        self.members = groups
        self.sources = sources
        self.fresh = count(registers)
        self.inverses: dict[Register, Register] = {}

    def replacement(self, instruction: Instruction) -> Iterator[Instruction]:
        """Yield what takes the place of an instruction."""
        matrix = self.groups.get(instruction)
        if matrix is None:
            yield instruction
            return
        if instruction is self.members[matrix][0]:
            yield from self.shared(matrix, self.members[matrix])
        if instruction.operation == "solve":
            yield from self.product(matrix, instruction)

    def shared(self, matrix: Register, group: Sequence[Instruction]) -> Iterator[Instruction]:
        """Yield the instructions that give all that a group wants of a matrix."""
        wanted = {str(each.attributes[0]): each.results[0] for each in group if each.attributes}
        if any(each.operation == "solve" for each in group):
            wanted.setdefault("inverse", next(self.fresh))
        self.inverses[matrix] = wanted.get("inverse", -1)
        with_adjugate = ("adjugate", "det") if "adjugate" in wanted else ()
        for part in (
            [what for what in wanted if what in with_adjugate],
            [what for what in wanted if what not in with_adjugate],
        ):
            if part:
                results = tuple(wanted[what] for what in part)
                yield Instruction("factorise", (matrix,), results, tuple(part))

    def product(self, matrix: Register, solve: Instruction) -> Iterator[Instruction]:
        """Yield the product with the inverse that takes the place of a solve."""
        factorised, right = solve.operands
        inverse = self.inverses[matrix]
        if factorised in self.sources:
            transposed = next(self.fresh)
            yield Instruction("transpose", (inverse,), (transposed,))
            inverse = transposed
        yield Instruction("product", (inverse, right), solve.results)
