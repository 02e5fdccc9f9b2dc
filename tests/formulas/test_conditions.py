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
    whole,
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
        (whole("k"), np.array(1.0), np.array(0.0)),
        (whole("k"), np.array(7.0), np.array(1.5)),
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


@pytest.mark.parametrize(
    "condition",
    [
        invertible("X"),
        full_column_rank("X"),
        *(required("X", word) for word in ("symmetric", "diagonal", "orthogonal")),
        required("X", "positive_definite"),
    ],
    ids=str,
)
def test_a_matrix_without_entries_meets_every_condition(condition: Condition) -> None:
    assert condition.margin(np.ones((0, 0))) > 0
    assert (condition.margin(np.ones((2, 0, 0))) > 0).all()


@pytest.mark.parametrize(
    ("condition", "value", "found"),
    [
        (invertible("X"), np.zeros((2, 2)), "2 x 2 and its smallest singular value is 0.0e+00"),
        (full_column_rank("X"), np.eye(3)[:2], "it is 2 x 3 and its smallest singular value"),
        (nonzero("x"), np.array(0.0), "it is 0.0"),
        (positive("x"), np.array(-1.5), "it is -1.5"),
        (whole("k"), np.array(1.5), "it is 1.5"),
        (unit_coordinate("x"), np.array([1.0, 1.0, 0.0]), "of its 3 entries 2 are 1 and 1 are 0"),
        (required("X", "symmetric"), np.triu(np.full((2, 2), 3.0)), "transpose by up to 3.0e+00"),
        (required("X", "diagonal"), np.full((2, 2), 2.0), "off the diagonal reach 2.0e+00"),
        (required("X", "orthogonal"), 2 * np.eye(2), "differs from I by up to 3.0e+00"),
        (required("X", "positive_definite"), -np.eye(2), "smallest eigenvalue is -1.0e+00"),
        (required("X", "positive_definite"), np.triu(np.ones((2, 2))), "differs from its transp"),
    ],
    ids=str,
)
def test_what_violates_a_condition_is_said_in_figures(
    condition: Condition, value: np.ndarray, found: str
) -> None:
    assert found in condition.finding(value)


@pytest.mark.parametrize("structure", ["symmetric", "diagonal", "orthogonal", "positive_definite"])
def test_a_margin_is_taken_of_every_member_of_a_batch(structure: str) -> None:
    margins = required("X", structure).margin(np.stack([np.eye(3), Q]))
    assert (margins > 0).tolist() == [True, structure == "orthogonal"]


def test_a_condition_is_said_in_words() -> None:
    assert str(required("A", "positive_definite")) == "A is positive definite"
    assert str(full_column_rank("X")) == "X is of full column rank"
