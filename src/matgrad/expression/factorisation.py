"""One factorisation for everything that a program asks of the same matrix.

det, logdet, inverse and adjugate of a matrix become one instruction. A matrix with which a program
solves once, and does nothing else, stays a solve. Otherwise its inverse is formed, once: a kernel
gives it together with the determinant, and it serves every right-hand side. (A product with the
inverse has the forward error of a solve: Druinsky and Toledo, "How accurate is inv(A)*b?",
arXiv:1201.6035.)
"""

from collections.abc import Iterator, Mapping, Sequence
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
    """Replaces the instructions of a matrix that has several.

    The first of them becomes the shared factorisation, and a solve a product with the inverse.
    """

    def __init__(
        self,
        groups: Mapping[Register, Sequence[Instruction]],
        sources: Mapping[Register, Register],
        registers: int,
    ) -> None:
        several = {matrix: group for matrix, group in groups.items() if len(group) > 1}
        self.firsts = {group[0]: group for group in several.values()}
        self.matrices = {each: matrix for matrix, group in several.items() for each in group}
        self.sources = sources
        self.fresh = count(registers)
        self.inverses: dict[Register, Register] = {}

    def replacement(self, instruction: Instruction) -> Iterator[Instruction]:
        """Yield what takes the place of an instruction."""
        matrix = self.matrices.get(instruction)
        if matrix is None:
            yield instruction
            return
        if instruction in self.firsts:
            yield from self.factorisations(matrix, self.firsts[instruction])
        if instruction.operation == "solve":
            yield from self.product(matrix, instruction)

    def factorisations(
        self, matrix: Register, group: Sequence[Instruction]
    ) -> Iterator[Instruction]:
        """Yield the instructions that give all that a group wants of a matrix."""
        wanted = {str(each.attributes[0]): each.results[0] for each in group if each.attributes}
        if any(each.operation == "solve" for each in group):
            wanted.setdefault("inverse", next(self.fresh))
            self.inverses[matrix] = wanted["inverse"]
        with_adjugate = {"adjugate", "det"} if "adjugate" in wanted else set[str]()
        for part in (wanted.keys() & with_adjugate, wanted.keys() - with_adjugate):
            if part:
                attributes = tuple(what for what in wanted if what in part)
                results = tuple(wanted[what] for what in attributes)
                yield Instruction("factorise", (matrix,), results, attributes)

    def product(self, matrix: Register, solve: Instruction) -> Iterator[Instruction]:
        """Yield the product with the inverse that takes the place of a solve."""
        factorised, right = solve.operands
        inverse = self.inverses[matrix]
        if factorised in self.sources:
            transposed = next(self.fresh)
            yield Instruction("transpose", (inverse,), (transposed,))
            inverse = transposed
        yield Instruction("product", (inverse, right), solve.results)
