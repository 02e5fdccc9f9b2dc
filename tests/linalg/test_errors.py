"""A wrong shape gets one sentence with the function, its signature and the sizes."""

import re
from types import ModuleType

import numpy as np
import pytest

from tests.linalg.samples import SIGNATURES, arguments_of

SQUARE = [name for name in SIGNATURES if SIGNATURES[name].startswith("(n,n)->")]


def refuses(name: str, *words: object) -> "pytest.RaisesExc[ValueError]":
    """Expect an error that names the function, its signature and these sizes, in this order."""
    pattern = "(?s)" + ".*".join(re.escape(str(w)) for w in (name, SIGNATURES[name], *words))
    return pytest.raises(ValueError, match=pattern)


@pytest.mark.parametrize("name", SQUARE)
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (2, 3, 4), (5, 1, 2), (3, 0), (0, 3)])
def test_matrix_that_is_not_square(kernels: ModuleType, name: str, shape: tuple[int, ...]) -> None:
    with refuses(name) as refusal:
        getattr(kernels, name)(np.ones(shape))
    assert {str(size) for size in shape[-2:]} <= set(re.findall(r"\d+", str(refusal.value)))


@pytest.mark.parametrize("shape", [(), (3,)])
def test_argument_of_fewer_than_two_dimensions(
    kernel: np.ufunc, rng: np.random.Generator, name: str, shape: tuple[int, ...]
) -> None:
    arguments = arguments_of(name, rng, 3, m=3)
    for k in range(len(arguments)):
        wrong = (*arguments[:k], np.ones(shape), *arguments[k + 1 :])
        with pytest.raises(ValueError, match=name) as refusal:
            kernel(*wrong)
        assert SIGNATURES[name] in str(refusal.value)
        assert f"has {len(shape)}" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("trace_product", [(4, 5), (4, 5)]),
        ("trace_product", [(4, 5), (5, 6)]),
        ("trace_product", [(7, 4, 5), (7, 6, 4)]),
        ("quadratic_trace", [(4, 5), (4, 4), (4, 4)]),
        ("quadratic_trace", [(4, 5), (5, 5), (5, 5)]),
        ("quadratic_trace", [(4, 5), (5, 6), (4, 4)]),
        ("quadratic_trace_and_gradient", [(4, 5), (4, 4), (4, 4)]),
        ("quadratic_trace_and_gradient", [(4, 5), (5, 5), (4, 6)]),
    ],
)
def test_shapes_that_do_not_match(
    kernels: ModuleType, name: str, shapes: list[tuple[int, ...]]
) -> None:
    with pytest.raises(ValueError, match=name) as refusal:
        getattr(kernels, name)(*map(np.ones, shapes))
    message = str(refusal.value)
    assert SIGNATURES[name] in message
    assert len(set(re.findall(r"\d+", message)) & {"4", "5", "6"}) >= 2


def test_batches_that_do_not_broadcast(kernels: ModuleType) -> None:
    with pytest.raises(ValueError, match="broadcast"):
        kernels.trace_product(np.ones((2, 3, 3)), np.ones((4, 3, 3)))


@pytest.mark.parametrize("name", ["inv", "adjugate"])
def test_output_of_a_wrong_shape(kernels: ModuleType, name: str) -> None:
    with refuses(name):
        getattr(kernels, name)(np.eye(3), out=np.empty((3, 4)))
