from typing import Any

import numpy as np
import pytest

from matgrad import catalog
from matgrad.formulas.orientation import laid_out

D: Any = np.arange(6.0).reshape(2, 3)


def test_a_gradient_is_declared_in_denominator_layout() -> None:
    formula = catalog["trace-product"]
    assert np.array_equal(laid_out(formula, D, "denominator"), D)
    assert np.array_equal(laid_out(formula, D, "numerator"), D.T)


def test_a_jacobian_is_declared_in_numerator_layout() -> None:
    formula = catalog["cubic-vector-function"]
    assert np.array_equal(laid_out(formula, D, "numerator"), D)
    assert np.array_equal(laid_out(formula, D, "denominator"), D.T)


def test_a_second_derivative_by_a_scalar_is_the_same_in_every_layout() -> None:
    formula = catalog["determinant-of-scalar-function-twice"]
    assert laid_out(formula, np.array(3.0), "numerator") == 3.0
    assert laid_out(formula, np.array(3.0), "denominator") == 3.0


def test_an_identity_has_no_layout() -> None:
    with pytest.raises(ValueError, match="vec is for derivatives; the formula is of kind identity"):
        laid_out(catalog["trace-cyclic"], D, "vec")
