import math

import pytest

from matgrad.commands.results import Error, Row


def row(numpy: Error, differences: Error | None) -> Row:
    return Row("det", 3, "float64", numpy, differences, 1e-9, 1e-9)


@pytest.mark.parametrize(
    ("size", "ok"), [(0, True), (8, True), (8.1, False), (math.inf, False), (math.nan, False)]
)
def test_an_error_is_allowed_up_to_its_limit(size: float, ok: bool) -> None:
    assert Error(size, 8).ok is ok


def test_each_error_that_is_not_allowed_is_told() -> None:
    failures = list(row(Error(9, 8), Error(math.nan, 20)).failures())
    assert failures == [
        "det, n = 3, float64: off from NumPy by 9 u; rounding explains 8 u",
        "det, n = 3, float64: off from central differences by nan u; rounding explains 20 u",
    ]


def test_a_row_is_right_if_all_its_errors_are_allowed() -> None:
    assert row(Error(1, 8), None).ok
    assert row(Error(1, 8), Error(1, 8)).ok
    assert not row(Error(9, 8), Error(1, 8)).ok
    assert not row(Error(1, 8), Error(9, 8)).ok


def test_the_part_of_a_row_is_the_largest() -> None:
    assert row(Error(1, 8), Error(1, 4)).part == 0.25
    assert row(Error(4, 8), Error(1, 4)).part == 0.5
    assert math.isnan(row(Error(4, 8), Error(math.nan, 4)).part)
