"""Derivatives of matrices by matrices: their vec forms, and differentials as numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from matgrad import derive, jacobian, parse
from matgrad.expression.evaluation import evaluate
from matgrad.layout import commutation_matrix

Array = NDArray[Any]


@pytest.mark.parametrize(
    ("text", "wrt", "vec"),
    [
        ("A*X*B", "X", "kron(B', A)"),
        ("inv(X)", "X", "-kron(inv(X)', inv(X))"),
        ("X'", "X", "K"),
        ("X'*X", "X", "kron(X', I)*K + kron(I, X')"),
        ("x*x'", "x", "kron(x, diag(x.^0)) + kron(diag(x.^0), x)"),
    ],
)
def test_a_matrix_has_a_vec_form(text: str, wrt: str, vec: str) -> None:
    derivation = derive(text, wrt)
    assert str(derivation.vec) == vec
    assert [K.name for K, _ in derivation.commutations] == (["K"] if "K" in vec else [])


def test_a_jacobian_tells_its_commutation_matrices() -> None:
    derivation = derive("vec((x*a' + b*x')')", "x")
    ((K, (m, n)),) = derivation.commutations
    assert K.name in derivation.result.variables
    assert (str(m), str(n)) == ("n", "n")


def test_a_commutation_matrix_has_a_name_of_its_own() -> None:
    rng = np.random.default_rng(11)
    values = {name: rng.normal(size=(3, 2)) for name in ("K", "K2", "X")}
    derivation = derive("K*X'*K2", "X")
    assert derivation.vec is not None
    ((K_, _),) = derivation.commutations
    assert K_.name == "K_"
    vec = derivation.vec.evaluate(
        **{name: values[name] for name in ("K", "K2")}, K_=commutation_matrix(3, 2)
    )
    np.testing.assert_allclose(vec, derivation.evaluate(layout="vec", **values), rtol=1e-12)


@pytest.mark.parametrize("text", ["A*X*B", "X'", "X'*X", "X*C*X", "exp(X) .* X", "X*x"])
def test_a_differential_is_evaluated_in_every_layout(text: str) -> None:
    rng = np.random.default_rng(9)
    f = parse(text)
    sizes = {"A": (2, 3), "X": (3, 4), "B": (4, 2), "C": (4, 3), "x": (4,)}
    values: dict[str, Any] = {name: rng.normal(size=(5, *sizes[name])) for name in f.variables}
    derivation = derive(f, "X")
    tensor = derivation.evaluate(**values)
    h = 1e-6
    for s, t in np.ndindex(3, 4):
        E = np.zeros((3, 4))
        E[s, t] = h
        slope = (
            f.evaluate(**values | {"X": values["X"] + E})
            - f.evaluate(**values | {"X": values["X"] - E})
        ) / (2 * h)
        np.testing.assert_allclose(tensor[..., s, t], slope, atol=1e-7 * np.abs(tensor).max())
    if derivation.vec is not None and not derivation.commutations:
        stacked = derivation.evaluate(layout="vec", **values)
        everything = (derivation.vec, *f.variables.values())
        found = np.broadcast_to(evaluate(everything, values)[0], stacked.shape)
        np.testing.assert_allclose(found, stacked, atol=1e-12 * np.abs(stacked).max())


@pytest.mark.parametrize(
    ("structure", "kept"),
    [
        ("symmetric", lambda X, E: (E + E.T) / 2),
        ("positive_definite", lambda X, E: (E + E.T) / 2),
        ("diagonal", lambda X, E: np.diag(np.diag(E))),
        ("orthogonal", lambda X, E: X @ (X.T @ E - E.T @ X) / 2),
    ],
)
def test_a_differential_is_evaluated_along_what_keeps_a_structure(
    structure: str, kept: Callable[[Array, Array], Array]
) -> None:
    A, E = np.random.default_rng(14).normal(size=(2, 3, 3))
    f, X = parse("A*X*A*X", **{structure: "X"}), np.eye(3)[[1, 2, 0]]
    X = X if structure == "orthogonal" else np.diag([1.0, 2.0, 3.0])
    found = np.tensordot(derive(f, "X").evaluate(A=A, X=X), E)
    P = kept(X, E)
    slope = (f.evaluate(A=A, X=X + P) - f.evaluate(A=A, X=X - P)) / 2
    np.testing.assert_allclose(found, slope, rtol=1e-12, atol=1e-12)


def test_a_gradient_follows_from_a_differential_of_a_structured_variable() -> None:
    A, S = np.random.default_rng(14).normal(size=(2, 3, 3))
    S = S + S.T
    derivative = derive("S*A*S", "S", symmetric="S").evaluate(S=S, A=A)
    gradient = derive("tr(S*A*S)", "S", symmetric="S").result.evaluate(S=S, A=A)
    np.testing.assert_allclose(np.trace(derivative), gradient, rtol=1e-12)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (4, 0, 3)])
def test_a_differential_without_entries_is_evaluated(shape: tuple[int, ...]) -> None:
    found = derive("A*X", "X").evaluate(A=np.ones((2, 0)), X=np.ones(shape))
    assert found.shape == (*shape[:-2], 2, shape[-1], 0, shape[-1])


def test_a_differential_keeps_the_dtype() -> None:
    X = np.ones((2, 2), np.float32)
    assert derive("alpha*A*X", "X").evaluate(A=X, X=X, alpha=2.0).dtype == np.float32


@pytest.mark.parametrize(
    ("names", "words"), [("A", "^A.X needs an array for X"), ("ABX", "^A.X has no variable B")]
)
def test_arrays_of_a_differential_are_those_of_the_function(names: str, words: str) -> None:
    arrays: dict[str, Any] = dict.fromkeys(names, np.eye(2))
    with pytest.raises(TypeError, match=words):
        derive("A*X", "X").evaluate(**arrays)


@pytest.mark.parametrize("layout", ["denominator", "numerator"])
@pytest.mark.parametrize("text", ["tr(X)", "sum(X)", "sin(tr(X))", "tr(A*X)", "log(tr(X*A*X))"])
def test_gradients_have_the_shape_of_their_variable(text: str, layout: Any) -> None:
    X = np.array([[[1.0, 0.2], [0.5, 2.0]], [[3.0, -1.0], [0.1, 1.0]]])
    constants: dict[str, Any] = {"A": np.array([[2.0, 1.0], [0.0, 1.0]])} if "A" in text else {}
    f = parse(text)
    found = derive(text, "X", layout=layout).evaluate(X=X, **constants)
    expected = jacobian(lambda X: f.evaluate(X=X, **constants), X, ndim=2, method="cs")
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_the_entries_of_a_vector_show_the_size_of_its_gradient() -> None:
    np.testing.assert_array_equal(derive("sum(x)", "x").evaluate(x=[3, 4, 5]), [1, 1, 1])


def test_only_gradients_and_differentials_are_evaluated_by_their_derivation() -> None:
    with pytest.raises(ValueError, match="evaluate is for a gradient or a differential by one"):
        derive("A*x", "x").evaluate(A=np.eye(2), x=np.ones(2))
