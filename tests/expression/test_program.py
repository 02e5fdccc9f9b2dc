"""Programs: what is left out, when registers die, how they read."""

from matgrad.expression.program import Instruction, assemble
from tests.expression.programs import program_of


def test_what_no_output_needs_is_left_out_and_registers_are_counted_through() -> None:
    instructions = [
        Instruction("negative", (0,), (7,)),
        Instruction("exp", (0,), (8,)),
        Instruction("factorise", (8,), (9, 12), ("det", "inverse")),
    ]
    program = assemble(1, instructions, [12])
    assert str(program) == "r1 = exp r0\nr2, r3 = factorise det inverse r1\nreturn r3"
    assert program.registers == 4


def test_every_register_dies_once_after_its_last_use_and_outputs_never() -> None:
    program = program_of("tr(A*B) + sum(exp(A)*x) + logdet(A)*det(B)", "exp(A)")
    dead: set[int] = set(range(program.inputs))
    alive = set(range(program.inputs))
    for instruction in program.instructions:
        assert set(instruction.operands) <= alive
        alive |= set(instruction.results)
        assert set(instruction.last_uses) <= alive
        alive -= set(instruction.last_uses)
        dead |= set(instruction.last_uses)
    assert alive == set(program.outputs)
    assert dead | alive == set(range(program.registers))


def test_every_register_is_set_once() -> None:
    program = program_of("tr(A*B) + norm(A - B)^2 + x'*inv(B)*A*x/2 - logdet(B)")
    results = [r for instruction in program.instructions for r in instruction.results]
    assert len(results) == len(set(results))
