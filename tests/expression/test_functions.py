"""The registry of functions."""

import pytest

from matgrad.expression import parse
from matgrad.expression.functions import FUNCTIONS


def test_the_language_has_the_functions_of_its_design() -> None:
    assert " ".join(FUNCTIONS) == (
        "tr det logdet inv adj expm sinm cosm conj norm norm1 sum diag kron vec "
        "exp log sqrt sin cos tan tanh abs sign sigmoid softplus relu"
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_record_has_the_name_under_which_it_is_found(name: str) -> None:
    assert FUNCTIONS[name].name == name


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("tr(A)", ()),
        ("adj(A)", ("n", "n")),
        ("norm(X)", ()),
        ("diag(x)", ("n", "n")),
        ("diag(x')", ("n", "n")),
        ("diag(A)", ("n",)),
        ("diag(alpha)", ()),
        ("vec(X)", ("m*n",)),
        ("vec(x')", ("n",)),
        ("kron(x, y')", ("n", "m")),
        ("sigmoid(x')", (1, "n")),
        ("det(alpha)", ()),
    ],
)
def test_a_function_gives_its_result_a_shape(text: str, shape: tuple[int | str, ...]) -> None:
    assert parse(text).shape == shape
