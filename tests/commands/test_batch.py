from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from matgrad.commands.batch import Batch
from matgrad.commands.errors import UsageError
from matgrad.commands.functions import find
from matgrad.streaming import blocks, open_source

Array = npt.NDArray[Any]


@pytest.fixture
def files() -> Any:
    with ExitStack() as files:
        yield files


def make(files: ExitStack, folder: Path, text: str, **arrays: Array) -> Batch:
    """Save the arrays and make a batch of the files."""
    sources = {}
    for name, X in arrays.items():
        np.save(folder / f"{name}.npy", X)
        sources[name] = files.enter_context(open_source(str(folder / f"{name}.npy")))
    return Batch.of(find(text), sources)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["f4", "f4"], "f4"),
        (["f8", "f8"], "f8"),
        (["f4", "f8"], "f8"),
        (["f4", "i4"], "f8"),
        (["u1", "?"], "f8"),
        ([">f4", "<f4"], "f4"),
    ],
)
def test_float32_stays_alone_and_whole_numbers_become_float64(
    dtypes: list[str], expected: str, files: ExitStack, tmp_path: Path
) -> None:
    A, X = (np.eye(2).astype(dtype) for dtype in dtypes)
    batch = make(files, tmp_path, "tr(A*X)", A=A, X=X)
    value, gradient = batch.value_and_gradient(())
    assert batch.dtype == value.dtype == gradient.dtype == np.dtype(expected)
    assert value == 2


@pytest.mark.parametrize("dtype", ["f2", "g", "c8", "c16", "U3", "M8[s]", "i4,i4"])
def test_another_dtype_is_refused_by_name(dtype: str, files: ExitStack, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"X in .*X\.npy has dtype .*; supported are float32"):
        make(files, tmp_path, "det(X)", X=np.zeros((2, 2), dtype))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (5, 2, 3)])
def test_a_wrong_shape_is_told(shape: tuple[int, ...], files: ExitStack, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"det\(X\) needs X \(\.\.\., n, n\); got X \("):
        make(files, tmp_path, "det(X)", X=np.zeros(shape))


def test_shapes_that_do_not_fit_are_told(files: ExitStack, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"got A \(2, 3\), X \(2, 3\)"):
        make(files, tmp_path, "tr(A*X)", A=np.zeros((2, 3)), X=np.zeros((2, 3)))


def test_batches_that_do_not_broadcast_are_told(files: ExitStack, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the leading axes do not broadcast"):
        make(files, tmp_path, "tr(A*X)", A=np.zeros((2, 3, 3)), X=np.zeros((4, 3, 3)))


@pytest.mark.parametrize(
    ("a", "x"),
    [((), (4,)), ((4,), ()), ((4, 1), (1, 5)), ((5,), (4, 5)), ((4, 5), (5,)), ((1,), (1,))],
)
def test_leading_axes_broadcast(
    a: tuple[int, ...], x: tuple[int, ...], files: ExitStack, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    A, X = rng.standard_normal((*a, 3, 2)), rng.standard_normal((*x, 2, 3))
    batch = make(files, tmp_path, "tr(A*X)", A=A, X=X)
    values = np.empty(batch.shape)
    gradients = np.empty(batch.gradient_shape)
    for box in blocks(batch.shape, 3):
        part = tuple(slice(axis.start, axis.stop) for axis in box)
        values[part], gradients[part] = batch.value_and_gradient(box)
    expected = np.trace(A @ X, axis1=-2, axis2=-1)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    assert np.array_equal(gradients, np.broadcast_to(A.mT, (*expected.shape, 2, 3)))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
def test_a_block_holds_what_it_counts(dtype: str, files: ExitStack, tmp_path: Path) -> None:
    batch = make(files, tmp_path, "det(X)", X=np.zeros((10_000, 4, 4), dtype))
    budget = 1_000_000
    box = next(blocks(batch.shape, batch.points_within(budget)))
    points = prod(map(len, box))
    held = points * 16 * (np.dtype(dtype).itemsize + 2 * batch.dtype.itemsize)  # without work space
    assert 0.5 * budget < held < budget


def test_one_matrix_is_the_least_block(files: ExitStack, tmp_path: Path) -> None:
    assert make(files, tmp_path, "det(X)", X=np.zeros((9, 50, 50))).points_within(1) == 1
