"""Laws of dimensions and kinds."""

import pytest

from matgrad.expression.dimension import ONE, Dimension, Kind

n, m = Dimension.symbol("n"), Dimension.symbol("m")


def test_a_product_of_dimensions_does_not_depend_on_their_order() -> None:
    assert n * m * n == n * n * m
    assert str(Dimension(2) * m * n) == "2*m*n"


def test_a_dimension_is_a_number_or_text() -> None:
    assert Dimension(3).size == 3
    assert (n * m).size == "m*n"
    assert str(Dimension(1)) == "1"


def test_a_dimension_measures_the_product_of_its_symbols() -> None:
    assert (Dimension(2) * n * m).value({"n": 3, "m": 4}) == 24


def test_symbols_are_replaced_by_what_they_mean() -> None:
    assert (n * m).replace({"n": Dimension(3)}) == Dimension(3) * m


def test_only_the_literal_one_makes_a_vector() -> None:
    kinds = [Kind.of(shape) for shape in ((ONE, ONE), (n, ONE), (ONE, n), (n, m))]
    assert kinds == [Kind.SCALAR, Kind.COLUMN, Kind.ROW, Kind.MATRIX]


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_has_the_shape_that_has_the_kind(kind: Kind) -> None:
    assert Kind.of(kind.shape(n, m)) is kind


def test_a_row_times_a_column_is_a_scalar_and_a_column_times_a_row_a_matrix() -> None:
    assert Kind.ROW.times(Kind.COLUMN) is Kind.SCALAR
    assert Kind.COLUMN.times(Kind.ROW) is Kind.MATRIX
    assert Kind.MATRIX.times(Kind.COLUMN) is Kind.COLUMN


def test_a_result_shows_no_axis_of_a_scalar_and_one_of_a_column() -> None:
    assert Kind.SCALAR.visible((ONE, ONE)) == ()
    assert Kind.COLUMN.visible((n, ONE)) == (n,)
    assert Kind.ROW.visible((ONE, n)) == (ONE, n)
