import numpy as np
import pytest

from matgrad.formulas.conditions import (
    Condition,
    full_column_rank,
    invertible,
    nonzero,
    positive,
    required,
    unit_coordinate,
)

SINGULAR = np.ones((3, 3))
Q = np.linalg.qr(np.random.default_rng(0).random((3, 3)))[0]


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        (invertible("X"), np.diag([1e-9, 1, 1]), SINGULAR),
        (invertible("X"), np.eye(3) * 1e-200, np.zeros((3, 3))),
        (invertible("X"), Q, np.ones((3, 2))),
        (full_column_rank("X"), np.eye(3)[:, :2], np.ones((3, 2))),
        (full_column_rank("X"), Q, np.eye(3)[:2]),
        (nonzero("x"), np.array(-1e-9), np.array(0.0)),
        (positive("x"), np.array(1e-9), np.array(-1.0)),
        (unit_coordinate("x"), np.eye(3)[1], np.ones(3)),
        (unit_coordinate("x"), np.eye(1)[0], np.zeros(3)),
        (required("X", "symmetric"), Q + Q.T, Q),
        (required("X", "diagonal"), np.eye(3), SINGULAR),
        (required("X", "orthogonal"), Q, SINGULAR),
        (required("X", "positive_definite"), np.diag([1e-9, 1, 1]), -np.eye(3)),
        (required("X", "positive_definite"), Q @ Q.T, Q + 3 * np.eye(3)),
    ],
    ids=str,
)
def test_a_margin_is_positive_where_a_condition_holds(
    condition: Condition, holds: np.ndarray, fails: np.ndarray
) -> None:
    assert condition.margin(holds) > 0
    assert not condition.margin(fails) > 0


@pytest.mark.parametrize("structure", ["symmetric", "diagonal", "orthogonal", "positive_definite"])
def test_a_margin_is_taken_of_every_member_of_a_batch(structure: str) -> None:
    margins = required("X", structure).margin(np.stack([np.eye(3), Q]))
    assert (margins > 0).tolist() == [True, structure == "orthogonal"]


def test_a_condition_is_said_in_words() -> None:
    assert str(required("A", "positive_definite")) == "A is positive definite"
    assert str(full_column_rank("X")) == "X is of full column rank"
