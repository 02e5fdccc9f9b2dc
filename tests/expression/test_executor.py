"""The executor: what it writes over, what it lets go, what it hands out."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad.expression.executor import prepare
from matgrad.expression.program import Instruction, assemble

Array = NDArray[Any]

float64 = np.dtype(np.float64)


def run(instructions: list[tuple[Any, ...]], outputs: list[int], *inputs: Array) -> list[Array]:
    """Return what a program makes of inputs."""
    program = assemble(len(inputs), [Instruction(*each) for each in instructions], outputs)
    return prepare(program, float64)(inputs)


def test_a_temporary_is_written_over_where_nobody_reads_it() -> None:
    A = np.random.default_rng(0).normal(size=(500, 4, 4))
    (result,) = run([("exp", (0,), (1,)), ("sin", (1,), (2,)), ("add", (2, 0), (3,))], [3], A)
    np.testing.assert_array_equal(result, np.sin(np.exp(A)) + A)


def test_a_temporary_that_a_view_still_reads_is_not_written_over() -> None:
    A = np.random.default_rng(0).normal(size=(500, 4, 4))
    instructions = [
        ("exp", (0,), (1,)),
        ("transpose", (1,), (2,)),
        ("negative", (1,), (3,)),
        ("add", (3, 2), (4,)),
    ]
    (result,) = run(instructions, [4], A)
    np.testing.assert_array_equal(result, np.exp(A).mT - np.exp(A))


def test_a_temporary_of_another_shape_is_not_written_over() -> None:
    A, B = np.ones((1, 4, 4)), np.random.default_rng(0).normal(size=(5000, 4, 4))
    (result,) = run([("exp", (0,), (2,)), ("multiply", (2, 1), (3,))], [3], A, B)
    np.testing.assert_array_equal(result, np.exp(1.0) * B)


def test_a_matrix_power_that_is_its_base_is_not_written_over() -> None:
    A, k = np.ones((500, 4, 4)), np.ones((1, 1))
    (result,) = run([("matrix_power", (0, 1), (2,)), ("negative", (2,), (3,))], [3], A, k)
    assert np.all(result == -1)
    assert np.all(A == 1)


def test_inputs_are_never_written_over() -> None:
    A = np.ones((500, 4, 4))
    A.flags.writeable = False
    (result,) = run([("add", (0, 0), (1,)), ("negative", (1,), (2,))], [2], A)
    assert np.all(result == -2)


def test_outputs_share_no_memory() -> None:
    A = np.ones((3, 4, 4))
    instructions = [("transpose", (0,), (1,)), ("exp", (0,), (2,)), ("transpose", (2,), (3,))]
    outputs = run(instructions, [0, 1, 2, 3, 2], A)
    for k, output in enumerate(outputs):
        assert not any(np.shares_memory(output, other) for other in [A, *outputs[:k]])


def test_a_number_is_handed_out_as_a_copy() -> None:
    program = assemble(0, [Instruction("number", (), (0,), (2.0,))], [0])
    prepared = prepare(program, float64)
    prepared([])[0][...] = 7
    assert prepared([])[0].item() == 2


@pytest.mark.parametrize(
    "shapes", [((3, 4), (5, 4, 1)), ((5, 3, 4), (4, 2)), ((2, 1, 3, 4), (5, 4, 1))]
)
def test_a_product_of_a_batch_and_one_matrix_is_that_of_numpy(
    shapes: tuple[tuple[int, ...], ...],
) -> None:
    rng = np.random.default_rng(1)
    A, B = (rng.normal(size=shape) for shape in shapes)
    (result,) = run([("product", (0, 1), (2,))], [2], A, B)
    np.testing.assert_allclose(result, np.matmul(A, B), rtol=1e-13)
    (result,) = run([("product", (0, 1), (2,))], [2], A.mT.copy().mT, B)
    np.testing.assert_allclose(result, np.matmul(A, B), rtol=1e-13)


@pytest.mark.parametrize(
    "sizes", [(4, 4, 1), (1, 4, 4), (4, 1, 4), (1, 4, 1), (4, 1, 1), (7, 3, 1), (9, 9, 1)]
)
@pytest.mark.parametrize("batches", [((2000,), (2000,)), ((50, 1), (60,)), ((1,), (2000,))])
def test_small_vectors_in_large_batches_are_multiplied_as_numpy_does(
    sizes: tuple[int, int, int], batches: tuple[tuple[int, ...], ...]
) -> None:
    rng = np.random.default_rng(3)
    A, B = rng.normal(size=(*batches[0], *sizes[:2])), rng.normal(size=(*batches[1], *sizes[1:]))
    for left, right in ((A, B), (B.mT, A.mT)):
        (result,) = run([("product", (0, 1), (2,))], [2], left, right)
        np.testing.assert_allclose(result, np.matmul(left, right), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [2, 6])
@pytest.mark.parametrize("batches", [((), ()), ((), (5,)), ((5,), ()), ((5,), (5,)), ((), (2, 3))])
def test_a_solve_broadcasts_either_side(n: int, batches: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(2)
    A, B = rng.normal(size=(*batches[0], n, n)), rng.normal(size=(*batches[1], n, 2))
    (result,) = run([("solve", (0, 1), (2,))], [2], A, B)
    np.testing.assert_allclose(result, np.linalg.inv(A) @ B, rtol=1e-9)


def test_one_prepared_program_runs_in_many_threads() -> None:
    instructions = [("exp", (0,), (1,)), ("product", (1, 0), (2,)), ("sum", (2,), (3,))]
    program = assemble(1, [Instruction(*each) for each in instructions], [3])
    prepared = prepare(program, float64)
    inputs = [np.full((50, 4, 4), k / 10) for k in range(8)]
    found: dict[int, Array] = {}

    def work(k: int) -> None:
        for _ in range(20):
            (found[k],) = prepared([inputs[k]])

    threads = [Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        np.testing.assert_array_equal(found[k], prepared([inputs[k]])[0])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield
