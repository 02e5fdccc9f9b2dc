"""`matgrad derive`, as it is typed."""

import pytest

from matgrad.__main__ import main


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["derive", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def test_a_derivative_is_stated(capsys: pytest.CaptureFixture[str]) -> None:
    statement = "d tr(X*A*X'*Q) / dX = Q'*X*A' + Q*X*A"
    for method in ("differential", "einstein"):
        assert output(capsys, "tr(X*A*X'*Q)", "--wrt", "X", "--method", method) == [statement]


def test_conditions_are_stated(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "logdet(X)", "--wrt", "X", "--layout", "numerator") == [
        "d logdet(X) / dX = inv(X)",
        "where X is invertible",
    ]


def test_steps_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "tr(A*X)", "--wrt", "X", "--steps", "--method", "einstein")
    assert [line.split("  ")[0] for line in lines] == [
        "A_ij X_ji",
        "A_ij dX_ji/dX_st",
        "A_ij delta_js delta_it",
        "A_ts",
        "A'",
        "d tr(A*X) / dX = A'",
    ]


def test_latex_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "x'*A*x", "--wrt", "x", "--order", "2", "--symmetric", "A", "--latex")
    assert lines == [r"\frac{\partial^2}{\partial x\,\partial x^{\top}} x^{\top} A x = 2 A"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tr(A*X", "--wrt", "X"], "expected an operator"),
        (["tr(A*X)", "--wrt", "Y"], "has no variable Y; it has A, X"),
        (["tr(A*expm(X))", "--wrt", "X"], "is a series"),
        (["tr(A*X)", "--wrt", "X", "--scalars", "k"], "scalars= names k"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["derive", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("matgrad: ")
    assert words in err
    assert err.count("\n") == 1
