"""Stages: a program in parts does what it does at once, and nothing twice."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad._native.memory import Memory
from matgrad.expression.stages import Level, Stages
from tests.expression.programs import program_of

Array = NDArray[Any]

# The value, the gradient and the Hessian product by X; A does not move, D is the direction.
TEXTS = (
    "logdet(X) + tr(inv(X)*A'*A)",
    "(inv(X) - inv(X)*A'*A*inv(X))'",
    "(inv(X)*(A'*A*inv(X)*D - D + D*inv(X)*A'*A)*inv(X))'",
)
float64 = np.dtype(np.float64)


def staged() -> tuple[Stages, list[Any]]:
    """Return stages, and registers in which the inputs X, A and D are."""
    program = program_of(*TEXTS, unbatched="XAD")
    value, gradient, product = program.outputs
    outputs = {
        Level.VALUE: (value,),
        Level.GRADIENT: (gradient,),
        Level.DIRECTION: (product,),
    }
    rng = np.random.default_rng(0)
    registers: list[Any] = [None] * program.registers
    registers[:3] = [rng.normal(size=(5, 5)) + 5 * np.eye(5), *rng.normal(size=(2, 5, 5))]
    return Stages(program, outputs, {0}, {2}, float64, Memory()), registers


def results(stages: Stages, registers: list[Any]) -> list[Array]:
    return [registers[output] for output in stages.program.outputs]


CUTS = [cut for k in range(5) for cut in combinations(list(Level)[1:-1], k)]


@pytest.mark.parametrize("cut", CUTS)
def test_a_program_in_parts_gives_what_it_gives_at_once(cut: tuple[Level, ...]) -> None:
    stages, registers = staged()
    at_once = registers.copy()
    stages.run(at_once, Level.NOTHING, Level.DIRECTION)
    before = Level.NOTHING
    for level in (*cut, Level.DIRECTION):
        stages.run(registers, before, level)
        before = level
    for found, wanted in zip(results(stages, registers), results(stages, at_once), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_matrix_is_factorised_once_and_for_the_value_already() -> None:
    stages, _ = staged()
    assert stages.tally(Level.NOTHING, Level.CONSTANT) == (0, 0, 0)
    assert stages.tally(Level.CONSTANT, Level.VALUE) == (1, 0, 1)
    assert stages.tally(Level.VALUE, Level.DIRECTION) == (0, 1, 0)


def test_what_depends_on_constants_alone_is_computed_with_them() -> None:
    stages, registers = staged()
    stages.run(registers, Level.NOTHING, Level.CONSTANT)
    A = registers[1]
    assert any(
        found is not None and found.shape == (5, 5) and np.allclose(found, A.T @ A)
        for found in registers
    )


def test_a_later_stage_can_run_twice_on_copies() -> None:
    stages, registers = staged()
    stages.run(registers, Level.NOTHING, Level.CURVATURE)
    kept = [None if each is None else each.copy() for each in registers]
    first, second = registers.copy(), registers.copy()
    stages.run(first, Level.CURVATURE, Level.DIRECTION)
    stages.run(second, Level.CURVATURE, Level.DIRECTION)
    np.testing.assert_array_equal(results(stages, first)[2], results(stages, second)[2])
    for before, after in zip(kept, registers, strict=True):
        if before is not None:
            np.testing.assert_array_equal(before, after)
