"""Programs: what an executor runs, a list of instructions in which every register is set once.

Every register holds a matrix for each point of the batch; a column vector is n x 1, a scalar 1 x 1.
The first registers are the inputs. A program knows its sizes, not its batch.

============================  ========  ===================================================
operation                     operands  result
============================  ========  ===================================================
number                                  1 x 1; attribute: the value
identity                                I; attribute: its size
fill                                    a constant matrix; attributes: value, rows, columns
transpose                     A         A'
product                       A, B      A B
solve                         A, B      inv(A) B
factorise                     A         one for each attribute: det, logdet, inverse,
                                        adjugate
matrix_power                  A, k      A^k, where k is 1 x 1
negative                      A         -A
add, subtract, multiply,      A, B      of elements; an operand with one row or one column
divide, power                           is repeated to the size of the other
exp, log, ...                 A         the elementwise functions of the language, and
                                        conj
softplus_and_sigmoid          A         two: a function and its derivative
softplus_and_derivative       A, B      two: softplus(A .* B) and its derivative by B
expm, sinm, cosm              A         functions of a square matrix
trace                         A         tr A
trace_product                 A, B      tr(A B)
quadratic_trace               X, A, Q   tr(X A X' Q)
quadratic_trace_gradient      X, A, Q   Q X A + Q' X A'
quadratic_trace_and_gradient  X, A, Q   two: both of these
sum, norm1                    A         of all elements, or of their absolute values
norm, squared_norm            A         Frobenius
diagonal                      A         the diagonal of A, a column
diagonal_matrix               x         the matrix with the diagonal x
vec                           A         the columns of A, stacked
kron                          A, B      the Kronecker product
============================  ========  ===================================================
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

Register: TypeAlias = int
Attribute: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation: what it reads, what it sets, and what nobody reads after it."""

    operation: str
    operands: tuple[Register, ...]
    results: tuple[Register, ...]
    attributes: tuple[Attribute, ...] = ()
    last_uses: tuple[Register, ...] = ()

    def __str__(self) -> str:
        results = ", ".join(f"r{register}" for register in self.results)
        operands = [f"r{register}" for register in self.operands]
        return f"{results} = {' '.join([self.operation, *map(str, self.attributes), *operands])}"


@dataclass(frozen=True, slots=True)
class Program:
    """Instructions from inputs, which are the first registers, to outputs.

    Parameters
    ----------
    inputs : int
        The number of inputs.
    instructions : tuple of Instruction
        In the order in which they run.
    outputs : tuple of int
        The registers that hold the results.
    registers : int
        The number of registers.
    """

    inputs: int
    instructions: tuple[Instruction, ...]
    outputs: tuple[Register, ...]
    registers: int

    def count(self, operation: str) -> int:
        """Return how many instructions carry out an operation."""
        return sum(each.operation == operation for each in self.instructions)

    def __str__(self) -> str:
        outputs = ", ".join(f"r{register}" for register in self.outputs)
        return "\n".join([*map(str, self.instructions), f"return {outputs}"])


def assemble(
    inputs: int, instructions: Sequence[Instruction], outputs: Sequence[Register]
) -> Program:
    """Return the program: without what no output needs, numbered anew, with the last uses marked.

    Examples
    --------
    >>> square = Instruction("multiply", (0, 0), (2,))
    >>> unused = Instruction("negative", (0,), (3,))
    >>> print(assemble(2, [square, unused], [2]))
    r2 = multiply r0 r0
    return r2
    """
    needed = _needed(instructions, outputs)
    numbers = {register: register for register in range(inputs)}
    for instruction in needed:
        for register in instruction.results:
            numbers[register] = len(numbers)
    renumbered = [
        replace(
            instruction,
            operands=tuple(numbers[register] for register in instruction.operands),
            results=tuple(numbers[register] for register in instruction.results),
        )
        for instruction in needed
    ]
    final = tuple(numbers[register] for register in outputs)
    return Program(inputs, _with_last_uses(renumbered, final), final, len(numbers))


def _needed(instructions: Sequence[Instruction], outputs: Iterable[Register]) -> list[Instruction]:
    wanted, needed = set(outputs), list[Instruction]()
    for instruction in reversed(instructions):
        if wanted.intersection(instruction.results):
            wanted.update(instruction.operands)
            needed.append(instruction)
    return needed[::-1]


def _with_last_uses(
    instructions: Sequence[Instruction], outputs: Iterable[Register]
) -> tuple[Instruction, ...]:
    seen, marked = set(outputs), list[Instruction]()
    for instruction in reversed(instructions):
        touched = dict.fromkeys((*instruction.operands, *instruction.results))
        last = tuple(register for register in touched if register not in seen)
        seen.update(last)
        marked.append(replace(instruction, last_uses=last))
    return tuple(marked[::-1])
