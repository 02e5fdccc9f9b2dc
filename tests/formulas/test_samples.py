from typing import Any

import numpy as np
import pytest

from matgrad import catalog
from matgrad.formulas import Formula
from matgrad.formulas.conditions import positive


@pytest.mark.parametrize("formula", catalog.values(), ids=catalog)
def test_a_sample_meets_the_conditions(formula: Formula) -> None:
    arrays: dict[str, Any] = formula.sample(np.random.default_rng(1), (2, 3))
    assert set(arrays) == set(formula.variables)
    formula.value_and_gradient_at(arrays, verify=True)
    for name, array in arrays.items():
        assert array.shape[:2] == (2, 3)
        assert array.ndim == 2 + len(formula.shapes[name])


def test_matrices_are_rectangular_where_they_may_be() -> None:
    arrays = catalog["trace-three-factors"].sample(np.random.default_rng(0))
    assert len({array.shape for array in arrays.values()}) == 3


def test_sizes_are_those_that_are_asked_for() -> None:
    arrays = catalog["quadratic-trace"].sample(np.random.default_rng(0), (7,), n=5, m=2)
    assert {name: array.shape for name, array in arrays.items()} == {
        "X": (7, 5, 2),
        "A": (7, 2, 2),
        "Q": (7, 5, 5),
    }


def test_an_unknown_dimension_is_told() -> None:
    with pytest.raises(ValueError, match="trace-product has no dimension k; it has n, m"):
        catalog["trace-product"].sample(np.random.default_rng(0), k=3)


def test_sizes_that_cannot_meet_a_condition_are_told() -> None:
    with pytest.raises(ValueError, match="log-determinant-gram found no sample of sizes"):
        catalog["log-determinant-gram"].sample(np.random.default_rng(0), n=2, m=3)


def test_what_violates_a_condition_is_drawn_again() -> None:
    formula = Formula(
        "f", "F", "log(a'*x)", "x", "a/(a'*x)", sources=(), conditions=(positive("a'*x"),)
    )
    arrays: dict[str, Any] = formula.sample(np.random.default_rng(0), (100,))
    assert (formula.evaluate(**arrays) > np.log(0.04)).all()


def test_the_same_generator_draws_the_same_sample() -> None:
    first, second = (catalog["trace"].sample(np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first["X"], second["X"])
