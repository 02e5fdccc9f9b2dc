"""softplus and its derivative, of the same register, as one instruction.

They share an exponential, which is half of the work of either: together they take 0.6 of the time.
Where both are of c .* x, and the derivative is multiplied by c, these products are in it, too: one
pass instead of three. Such is the loss of a logistic regression, softplus(-y .* (X*w)).
"""

from collections import Counter

from matgrad.expression.program import Instruction, Program, Register, assemble

PAIR = ("softplus", "sigmoid")
TOGETHER = "softplus_and_sigmoid"
SCALED = "softplus_and_derivative"


def pair_softplus(program: Program) -> Program:
    """Return the program in which softplus and sigmoid of a register come together."""
    results: dict[Register, dict[str, Register]] = {}
    for each in program.instructions:
        if each.operation in PAIR:
            results.setdefault(each.operands[0], {})[each.operation] = each.results[0]
    pairs = {operand: found for operand, found in results.items() if len(found) == len(PAIR)}
    if not pairs:
        return program
    instructions: list[Instruction] = []
    for each in program.instructions:
        if each.operation not in PAIR or each.operands[0] not in pairs:
            instructions.append(each)
        elif each.results[0] == min(pairs[each.operands[0]].values()):
            both = tuple(pairs[each.operands[0]][name] for name in PAIR)
            instructions.append(Instruction(TOGETHER, each.operands, both))
    return _with_factors(assemble(program.inputs, instructions, program.outputs))


def _with_factors(program: Program) -> Program:
    """Return the program in which products with a factor are taken with the functions."""
    made = {each.results[0]: each for each in program.instructions}
    operands = (register for each in program.instructions for register in each.operands)
    reads = Counter([*program.outputs, *operands])
    reader = {
        register: each
        for each in program.instructions
        for register in each.operands
        if reads[register] == 1
    }
    replaced: dict[Register, Instruction | None] = {}
    for each in program.instructions:
        if each.operation == TOGETHER:
            (scaled,), (value, slope) = each.operands, each.results
            first, last = made.get(scaled), reader.get(slope)
            if scaled in reader and first and last and (factors := _factors(first, last)):
                replaced[value] = Instruction(SCALED, factors, (value, last.results[0]))
                replaced |= {scaled: None, last.results[0]: None}
    kept = (replaced.get(each.results[0], each) for each in program.instructions)
    instructions = [each for each in kept if each is not None]
    return assemble(program.inputs, instructions, program.outputs)


def _factors(first: Instruction, last: Instruction) -> tuple[Register, Register] | None:
    """Return c and x, if the first is c .* x and the last something times c."""
    if first.operation == last.operation == "multiply":
        a, b = first.operands
        if a in last.operands:
            return a, b
        if b in last.operands:
            return b, a
    return None
