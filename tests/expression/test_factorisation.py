"""One factorisation of a matrix, whatever is asked of it."""

import numpy as np
import pytest

from matgrad.expression import parse
from tests.expression.programs import program_of


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("det(A)", [("det",)]),
        ("logdet(A)", [("logdet",)]),
        ("inv(A)", [("inverse",)]),
        ("adj(A)", [("adjugate",)]),
        ("det(A)*adj(A)'", [("det", "adjugate")]),
        ("logdet(A)*inv(A)'", [("logdet", "inverse")]),
        ("det(A)*inv(A)'", [("det", "inverse")]),
        ("det(A) + logdet(A)", [("det", "logdet")]),
        ("logdet(A) + x'*inv(A)*x", [("logdet", "inverse")]),
        ("det(A)*inv(A)*x + logdet(A)*x", [("det", "logdet", "inverse")]),
        ("inv(A)*x + inv(A)*y", [("inverse",)]),
        ("inv(A)*x + inv(A)'*y", [("inverse",)]),
        ("logdet(A') + tr(inv(A)*B)", [("logdet", "inverse")]),
        ("tr(inv(A)*B*inv(A)*C)", [("inverse",)]),
        ("A^-3*x", [("inverse",)]),
        ("det(A)*det(B)", [("det",), ("det",)]),
        ("adj(A)*inv(A)*det(A)", [("adjugate", "det"), ("inverse",)]),
    ],
)
def test_a_matrix_is_factorised_once(text: str, wanted: list[tuple[str, ...]]) -> None:
    program = program_of(text)
    found = [each.attributes for each in program.instructions if each.operation == "factorise"]
    assert sorted(map(sorted, found)) == sorted(map(sorted, wanted))
    assert program.count("solve") == 0


def test_matrices_that_are_solved_with_once_stay_solves() -> None:
    program = program_of("inv(A)*x + inv(B)*y")
    assert program.count("solve") == 2
    assert program.count("factorise") == 0


def test_a_common_matrix_is_found_behind_its_expression() -> None:
    program = program_of("logdet(X'*X + I) - y'*inv(X'*X + I)*y")
    assert program.count("factorise") == 1
    assert program.count("product") == 3


def test_a_product_with_transposes_is_formed_without_them() -> None:
    gradient, value = "(inv(S) - inv(S)*C*inv(S))'", "logdet(S) + tr(inv(S)*C)"
    program = program_of(gradient, value, symmetric="C")
    assert program.count("product") == 2
    assert program.count("transpose") == 1


@pytest.mark.parametrize("n", [3, 7])
@pytest.mark.parametrize(
    "text",
    [
        "(inv(A) - inv(A)*B*inv(A))'*logdet(A)",
        "det(A) + logdet(A) + y'*inv(A)*x + tr(adj(A))",
        "inv(A)'*x + inv(A)*y*logdet(A')",
        "x'*inv(A)*B*inv(A)*y",
        "det(A)*sum(inv(A))",
    ],
)
def test_what_is_shared_has_the_values_of_what_is_not(text: str, n: int) -> None:
    rng = np.random.default_rng(7)
    A, B = rng.normal(size=(2, 5, n, n))
    x, y = rng.normal(size=(2, 5, n))
    arrays = {"A": A, "B": B, "x": x, "y": y}
    f = parse(text)
    value = f.evaluate(**{name: arrays[name] for name in f.variables})
    inverse, det = np.linalg.inv(A), np.linalg.det(A)
    expected = {
        "det(A) + logdet(A) + y'*inv(A)*x + tr(adj(A))": det
        + np.log(np.abs(det))
        + np.einsum("bi,bij,bj->b", y, inverse, x)
        + det * np.trace(inverse, axis1=1, axis2=2),
        "inv(A)'*x + inv(A)*y*logdet(A')": np.einsum("bji,bj->bi", inverse, x)
        + np.einsum("bij,bj->bi", inverse, y) * np.log(np.abs(det))[:, None],
        "x'*inv(A)*B*inv(A)*y": np.einsum("bi,bij,bjk,bkl,bl->b", x, inverse, B, inverse, y),
        "det(A)*sum(inv(A))": det * inverse.sum(axis=(1, 2)),
        "(inv(A) - inv(A)*B*inv(A))'*logdet(A)": (inverse - inverse @ B @ inverse).mT
        * np.log(np.abs(det))[:, None, None],
    }[text]
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_the_adjugate_beside_an_inverse_stays_right_where_the_matrix_is_singular() -> None:
    A = np.array([[1.0, 2.0], [2.0, 4.0]])
    with np.errstate(all="ignore"):
        values = parse("adj(A) + 0*alpha*det(A)*I").evaluate(A=A, alpha=1.0)
    np.testing.assert_allclose(values, [[4, -2], [-2, 1]])
