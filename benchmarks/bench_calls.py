"""What a call costs: a batch of one at each size, and ten matrices of size 3, beside NumPy."""

from collections.abc import Callable

import pytest

from matgrad.commands.bench import SIZES
from matgrad.commands.bench.cases import Case

OPERATIONS = ["det", "slogdet", "inv", "det_and_gradient", "slogdet_and_gradient"]


@pytest.mark.parametrize("implementation", ["matgrad", "numpy"])
@pytest.mark.parametrize("n", [1, *SIZES, 1000, 2000])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_matrix(
    operation: str, n: int, implementation: str, measure: Callable[[str, Case], None]
) -> None:
    measure(implementation, Case(operation, n, "float64", 1))


@pytest.mark.parametrize("implementation", ["matgrad", "numpy"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_ten_matrices(
    operation: str, implementation: str, measure: Callable[[str, Case], None]
) -> None:
    measure(implementation, Case(operation, 3, "float64", 10))
