from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec

import pytest

from matgrad.commands.bench.cases import OPERATIONS, Case
from matgrad.commands.bench.implementations import LOADERS
from matgrad.commands.bench.machine import cores
from matgrad.commands.bench.processes import Process

LACKING = {"scipy": set(OPERATIONS) - {"det", "inv", "adjugate", "det_and_gradient"}}


# PyTorch and JAX come with the extra [bench]; without it there is nothing of theirs to judge.
INSTALLED = [name for name in LOADERS if find_spec(name)]


@pytest.fixture(scope="module", params=INSTALLED)
def process(request: pytest.FixtureRequest) -> Iterator[Process]:
    with closing(Process(request.param, cores(1))) as process:
        yield process


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_implementation_does_the_same_work(operation: str, process: Process) -> None:
    for n, dtype in [(2, "float64"), (3, "float32"), (6, "float64")]:
        error = process.prepare(Case(operation, n, dtype, 40))
        assert (error is None) == (operation in LACKING.get(process.name, ()))
        assert error is None or error <= 1
