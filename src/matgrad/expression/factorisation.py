"""One factorisation for everything that a program asks of the same matrix.

det, logdet, inverse and adjugate of a matrix become one instruction. A matrix with which a program
solves once, and does nothing else, stays a solve. Otherwise its inverse is formed, once: a kernel
gives it together with the determinant, and it serves every right-hand side. (A product with the
inverse has the forward error of a solve: Druinsky and Toledo, "How accurate is inv(A)*b?",
arXiv:1201.6035.)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
    return assemble(program.inputs, instructions, sharing.current(program.outputs))


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
        # What the transposes of a product are made of, and registers that stand for others.
        self.mirrors: dict[Register, Register] = {}
        self.renamed: dict[Register, Register] = {}

    def replacement(self, instruction: Instruction) -> Iterator[Instruction]:
        """Yield what takes the place of an instruction."""
        matrix = self.matrices.get(instruction)
        if matrix is None:
            yield from self.kept(instruction)
            return
        if instruction in self.firsts:
            yield from self.factorisations(matrix, self.firsts[instruction])
        if instruction.operation == "solve":
            yield from self.product(matrix, instruction)

    def kept(self, instruction: Instruction) -> Iterator[Instruction]:
        """Yield an instruction of no such matrix, but for the transpose of a transposed product."""
        operands = self.current(instruction.operands)
        if instruction.operation == "transpose" and operands[0] in self.mirrors:
            self.renamed[instruction.results[0]] = self.mirrors[operands[0]]
        else:
            yield replace(instruction, operands=operands)

    def current(self, registers: Sequence[Register]) -> tuple[Register, ...]:
        """Return the registers that now hold what registers held."""
        return tuple(self.renamed.get(register, register) for register in registers)

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
                yield Instruction("factorise", self.current((matrix,)), results, attributes)

    def product(self, matrix: Register, solve: Instruction) -> Iterator[Instruction]:
        """Yield the product with the inverse that takes the place of a solve.

        inv(A') B' is the transpose of B inv(A): matrices that lie along rows are multiplied faster,
        and who asked for the transpose has it.
        """
        factorised, right = solve.operands
        inverse = self.inverses[matrix]
        if factorised not in self.sources:
            yield Instruction("product", (inverse, *self.current((right,))), solve.results)
        elif right in self.sources:
            product = self.mirrors[solve.results[0]] = next(self.fresh)
            factors = *self.current((self.sources[right],)), inverse
            yield Instruction("product", factors, (product,))
            yield Instruction("transpose", (product,), solve.results)
        else:
            transposed = next(self.fresh)
            yield Instruction("transpose", (inverse,), (transposed,))
            yield Instruction("product", (transposed, *self.current((right,))), solve.results)
