"""Each operation on batches in the second-level cache and in memory, beside its peers."""

from collections.abc import Callable

import pytest

from matgrad.commands.bench import SIZES, case_of
from matgrad.commands.bench.cases import OPERATIONS, Case
from matgrad.commands.bench.implementations import LOADERS


@pytest.mark.parametrize("implementation", LOADERS)
@pytest.mark.parametrize("batch", ["L2", "memory"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation(
    operation: str,
    n: int,
    dtype: str,
    batch: str,
    implementation: str,
    threads: int,
    measure: Callable[[str, Case], None],
) -> None:
    measure(implementation, case_of(operation, n, dtype, batch, threads))
