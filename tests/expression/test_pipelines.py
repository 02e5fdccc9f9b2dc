"""Pipelines compute what the steps of the executor do, for all sizes, layouts and batches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matgrad import Oracle, get_num_threads, set_num_threads
from matgrad._native import kernels
from matgrad._native.memory import Memory
from matgrad._native.pipeline import loop_of
from matgrad.expression.builder import Extent
from matgrad.expression.executor import Registers, Step, steps_of
from matgrad.expression.expression import Expression
from matgrad.expression.inference import infer
from matgrad.expression.lowering import lower
from matgrad.expression.parser import parse
from matgrad.expression.pipelines import pipelined
from matgrad.expression.plan import Plan
from matgrad.expression.program import Instruction, assemble
from matgrad.expression.silence import silently
from tests.expression.strategies import expressions, is_measurable

Array = NDArray[Any]

TEXTS = (
    "C*S + S'*C",
    "C' + S' .* C'",
    "(C + S')'",
    "x*x' - alpha*C",
    "A*D*B + A*B",
    "B'*D*A'",
    "tr(A*D*A'*C)",
    "tr(A*B) + tr(B'*A') + tr(C) + sum(A) + sum(S' .* C')",
    "norm(C - A*B)^2 + norm(B')^2 + norm(x)^2",
    "sum(softplus(-x .* (A*y)))",
    "sigmoid(A*B) ./ (C .* C + ones)",
    "exp(-C .* C) + log(S .* S + ones) .^ 2",
    "x*y' + alpha*(A*y)*(B*x)'",
    "logdet(C) + tr(inv(C)*S)",
    "inv(C)*A - inv(S)*A",
    "det(C) + tr(adj(C)*S)",
    "det(C)*inv(C) + logdet(C)*inv(S)*det(S)",
    "det(C) + logdet(C)",
    "adj(C)' + adj(S)",
    "alpha*x + sum(y)*x",
    "x'*x + x'*C*x",
    "beta + alpha*beta",
)


class Case:
    """Programs of expressions, and registers to run them on.

    `batched` tells of each variable whether it has a batch, over and over again.
    """

    def __init__(
        self,
        several: Sequence[Expression],
        sizes: Sequence[int],
        batched: Sequence[bool],
        dtype: Any = np.float64,
        count: int = 37,
    ) -> None:
        inference = infer(tuple(several))
        symbols = sorted(
            {s for shape in inference.shapes.values() for d in shape for s in d.symbols}
        )
        measured = {symbol: sizes[k % len(sizes)] for k, symbol in enumerate(symbols)}
        rng = np.random.default_rng(len(symbols))
        self.dtype, inputs = np.dtype(dtype), list[Array]()
        variables = []
        for k, (variable, shape) in enumerate(inference.shapes.items()):
            rows, columns = (each.value(measured) for each in shape)
            moves = batched[k % len(batched)]
            array = rng.normal(size=(*((count,) if moves else ()), rows, columns)).astype(dtype)
            array += 3 * np.eye(rows, columns, dtype=dtype)
            inputs.append(_laid_out(array, k))
            variables.append((variable.name, Extent(rows, columns, moves)))
        self.program = lower(inference.expressions, tuple(variables), tuple(measured.items()))
        self.registers: Registers = [*inputs, *[None] * (self.program.registers - len(inputs))]
        self.numbers = {
            each.results[0]: each.attributes[0]
            for each in self.program.instructions
            if each.operation == "number"
        }

    def steps(self, make: Callable[..., list[Step]]) -> list[Step]:
        memory = [Memory()] if make is pipelined else []
        return make(self.program.instructions, self.dtype, self.numbers, *memory)

    def outputs(self, steps: Sequence[Step]) -> list[Array]:
        own = self.registers.copy()
        for step in steps:
            silently(step, own)
        kept = {*self.program.outputs, *range(self.program.inputs), *self.numbers}
        left = [k for k, each in enumerate(own) if each is not None]
        assert kept.issuperset(left)
        return [own[register] for register in self.program.outputs]


def _laid_out(array: Array, k: int) -> Array:
    """Return an array in C order, with transposed matrices, or with gaps."""
    match k % 3:
        case 1:
            return np.ascontiguousarray(array.mT).mT
        case 2:
            return np.repeat(array, 2, axis=-1)[..., ::2]
    return array


@pytest.mark.parametrize("batched", [(False,), (True,), (True, False), (False, True, True)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(5, 3), (1, 4), (8,), (70, 2), (3, 1), (1,)])
@pytest.mark.parametrize("text", TEXTS)
def test_a_pipeline_computes_what_the_steps_do(
    text: str, sizes: Sequence[int], dtype: Any, batched: Sequence[bool]
) -> None:
    case = Case([parse(text)], sizes, batched, dtype)
    (found,), (wanted,) = (case.outputs(case.steps(make)) for make in (pipelined, steps_of))
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    tolerance = 1e4 * np.finfo(dtype).eps
    scale = float(np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0))
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * scale)


@given(
    st.lists(expressions(depth=3), min_size=1, max_size=3),
    st.sampled_from([(3, 2), (9, 4), (2, 1)]),
    st.lists(st.booleans(), min_size=1, max_size=4),
)
def test_pipelines_compute_what_the_steps_do_for_all_expressions(
    several: list[Expression], sizes: Sequence[int], batched: list[bool]
) -> None:
    if not is_measurable(*several):
        return
    case = Case(several, sizes, batched, count=5)
    found, wanted = (case.outputs(case.steps(make)) for make in (pipelined, steps_of))
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        if np.all(np.isfinite(other)) and np.max(np.abs(other)) < 1e4:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def segments(case: Case) -> list[Any]:
    """Return the steps of a case that are pipelines, after a run."""
    steps = case.steps(pipelined)
    case.outputs(steps)
    return [step for step in steps if hasattr(step, "pipeline")]


def test_a_program_of_loops_is_one_pipeline() -> None:
    text = "logdet(C) + tr(inv(C)*S) + norm(A*B - C)^2"
    (segment,) = segments(Case([parse(text)], (6, 4), (True,)))
    assert segment.pipeline is not None


@pytest.mark.parametrize(("text", "count"), [("C - A*B", 2), ("A*B + C", 2), ("alpha + x'*y", 1)])
def test_a_small_product_and_its_sum_are_one_loop(text: str, count: int) -> None:
    case = Case([parse(text)], (6, 4), (True,))
    (segment,) = segments(case)
    plan = Plan(np.dtype(float), get_num_threads, Memory())
    for register in segment.inputs:
        assert plan.reads(register, case.registers[register])
    instructions = segment.instructions
    while instructions[0].operation == "transpose":
        segment.follow(plan, instructions.pop(0))
    assert segment.follow(plan, *instructions) == count


def test_a_long_product_keeps_its_digits_where_something_is_added() -> None:
    k = 100_000
    rng = np.random.default_rng(0)
    A, B = (rng.random(size).astype(np.float32) for size in ((4, k), (k, 4)))
    oracle = Oracle("sum(A*X + D)", "X", A=A, D=np.ones((4, 4), np.float32))
    wanted = (A.astype(float) @ B.astype(float)).sum() + 16
    np.testing.assert_allclose(oracle.value(B), wanted, rtol=1e-6)


def test_a_product_with_a_number_may_be_a_summand() -> None:
    instructions = [
        Instruction("number", (), (1,), (2.0,)),
        Instruction("product", (0, 1), (2,)),
        Instruction("add", (2, 0), (3,)),
    ]
    program = assemble(1, instructions, [3])
    x = np.arange(5.0).reshape(5, 1, 1)
    registers: Registers = [x, *[None] * 3]
    for step in pipelined(program.instructions, np.dtype(float), {1: 2.0}, Memory()):
        step(registers)
    np.testing.assert_array_equal(registers[3], 3 * x)


def test_a_point_that_is_left_over_is_added_up_as_the_others() -> None:
    # All entries of the points lie side by side, and so do the points.
    rng = np.random.default_rng(0)
    program = assemble(1, [Instruction("sum", (0,), (1,)), Instruction("exp", (1,), (2,))], [1, 2])
    for count in (2, 3, 4369, 4500):
        row = rng.normal(size=13)
        x = np.repeat(row[:, None, None], count, axis=1).transpose(1, 0, 2)
        registers: Registers = [x, None, None]
        for step in pipelined(program.instructions, np.dtype(float), {}, Memory()):
            step(registers)
        assert len(np.unique(registers[1])) == 1
        alone: Registers = [x[:1], None, None]
        for step in pipelined(program.instructions, np.dtype(float), {}, Memory()):
            step(alone)
        np.testing.assert_array_equal(alone[1], registers[1][:1])


def test_a_pipeline_is_planned_anew_for_other_shapes() -> None:
    small, large = Case([parse("A*B + A*B")], (3,), (True,)), Case([parse("A*B")], (7,), (False,))
    steps = small.steps(pipelined)
    before = small.outputs(steps)[0]
    small.registers[:2] = large.registers[:2]
    np.testing.assert_allclose(small.outputs(steps)[0], 2 * large.outputs(large.steps(steps_of))[0])
    assert before.shape == (37, 3, 3)


@pytest.mark.parametrize(
    "arrays",
    [
        (np.ones((2, 3, 4, 4)), np.ones((4, 4))),
        (np.ones((5, 4, 4)), np.ones((1, 4, 4))),
        (np.ones((0, 4, 4)), np.ones((4, 4))),
        (np.ones((4, 0)), np.ones((0, 4))),
        (np.ones((4, 4), ">f8"), np.ones((4, 4))),
        (np.frombuffer(bytes(8 * 16 + 1), offset=1).reshape(4, 4), np.ones((4, 4))),
    ],
)
def test_what_has_no_plan_takes_the_steps(arrays: tuple[Array, Array]) -> None:
    case = Case([parse("tr(A*B) + sum(A)")], (4,), (False,))
    case.registers[:2] = arrays
    (segment,) = segments(case)
    assert segment.pipeline is None
    (found,), (wanted,) = (case.outputs(case.steps(make)) for make in (pipelined, steps_of))
    np.testing.assert_array_equal(found, wanted)


def test_views_that_remain_are_of_arrays_that_remain() -> None:
    instructions = [
        Instruction("negative", (0,), (1,)),
        Instruction("transpose", (1,), (2,)),
        Instruction("transpose", (2,), (3,)),
        Instruction("transpose", (0,), (4,)),
        Instruction("add", (3, 3), (5,)),
    ]
    program = assemble(1, instructions, [2, 3, 4, 5])
    A = np.arange(6.0).reshape(2, 3)
    registers: Registers = [A, *[None] * 5]
    for step in pipelined(program.instructions, np.dtype(float), {}, Memory()):
        step(registers)
    for register, wanted in zip(program.outputs, (-A.T, -A, A.T, -2 * A), strict=True):
        np.testing.assert_array_equal(registers[register], wanted)


def test_inputs_are_never_written_over_and_may_be_read_only() -> None:
    case = Case([parse("(C .* S + C) .* C")], (8,), (True,), count=1000)
    for array in case.registers[: case.program.inputs]:
        array.flags.writeable = False
    before = [each.copy() for each in case.registers[: case.program.inputs]]
    case.outputs(case.steps(pipelined))
    for array, copy in zip(case.registers, before, strict=False):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("text", TEXTS)
def test_threads_change_no_bit(text: str) -> None:
    case = Case([parse(text)], (8, 6), (True, True, False), count=5000)
    steps = case.steps(pipelined)
    threads, found = get_num_threads(), list[Array]()
    try:
        for count in (1, 2):
            set_num_threads(count)
            found += case.outputs(steps)
    finally:
        set_num_threads(threads)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("batched", [(True,), (True, False), (False, True)])
def test_a_point_has_the_same_result_in_any_batch(batched: Sequence[bool]) -> None:
    for text in TEXTS:
        many, one = (Case([parse(text)], (40, 6), batched, count=count) for count in (321, 1))
        for k in range(many.program.inputs):
            array = many.registers[k]
            one.registers[k] = array[320:] if array.ndim == 3 else array
        (found,), (wanted,) = (each.outputs(each.steps(pipelined)) for each in (one, many))
        if wanted.ndim == 3:
            np.testing.assert_array_equal(found[0], wanted[320])


def test_a_loop_is_found_by_its_dtype() -> None:
    assert loop_of(np.add, np.dtype(float).num) >= 0
    assert loop_of(kernels.matmul, np.dtype(complex).num) == -1


def test_shapes_that_alternate_are_planned_once() -> None:
    small, large = Case([parse("A*B + A*B")], (3,), (True,)), Case([parse("A*B")], (7,), (False,))
    steps = small.steps(pipelined)
    for _ in range(3):
        small.outputs(steps)
        small.registers[:2], large.registers[:2] = large.registers[:2], small.registers[:2]
    (segment,) = (step for step in steps if hasattr(step, "plans"))
    assert len(segment.plans) == 2


def test_an_instruction_without_a_plan_stands_between_pipelines() -> None:
    # The entries of a matrix with gaps are no vector, which a sum would have to be of.
    instructions = [
        Instruction("negative", (0,), (1,)),
        Instruction("multiply", (1, 0), (2,)),
        Instruction("sum", (0,), (3,)),
        Instruction("add", (2, 3), (4,)),
        Instruction("exp", (4,), (5,)),
    ]
    A = np.linspace(0, 1, 24).reshape(3, 8)[:, :4]
    (segment,) = pipelined(
        assemble(1, instructions, [5]).instructions, np.dtype(float), {}, Memory()
    )
    for _ in range(2):
        registers: Registers = [A, *[None] * 5]
        segment(registers)
        np.testing.assert_allclose(registers[5], np.exp(A.sum() - A * A), rtol=1e-12)
    (steps,) = vars(segment)["plans"].values()
    assert [hasattr(step, "pipeline") for step in steps] == [True, False, True]


def test_many_instructions_without_a_plan_are_steps_side_by_side() -> None:
    # There is no loop of softplus for single precision.
    instructions = [Instruction("softplus", (0,), (k,)) for k in range(1, 1001)]
    program = assemble(1, instructions, range(1, 1001))
    x = np.ones((2, 2), np.float32)
    (step,) = pipelined(program.instructions, x.dtype, {}, Memory())
    for _ in range(2):
        registers: Registers = [x, *[None] * 1000]
        step(registers)
        np.testing.assert_allclose(
            registers[1:], np.full((1000, 2, 2), np.log(1 + np.e)), rtol=1e-6
        )


def planned(text: str, n: int) -> bool:
    """Return whether there is a pipeline for a program of matrices without a batch."""
    (segment,) = segments(Case([parse(text)], (n,), (False,)))
    return segment.pipeline is not None


def test_temporaries_take_each_others_places() -> None:
    # Of 2 MB each; large ones would have no plan.
    assert planned("A" + " .* (A + B)" * 30, 500)
    assert not planned("A .* (A + B) .* B", 1200)


def test_a_view_that_is_read_once_is_let_go() -> None:
    instructions = [
        Instruction("negative", (0,), (1,)),
        Instruction("transpose", (1,), (2,)),
        Instruction("transpose", (2,), (3,)),
    ]
    registers: Registers = [np.ones((2, 3)), None, None, None]
    for step in pipelined(
        assemble(1, instructions, [3]).instructions, np.dtype(float), {}, Memory()
    ):
        step(registers)
    assert [each is None for each in registers] == [True, True, True, False]
