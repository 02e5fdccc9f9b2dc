import pytest

from matgrad import catalog
from matgrad.__main__ import main


def test_a_formula_is_shown_with_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "trace-regularized-ratio"]) == 0
    out = capsys.readouterr().out
    for part in (
        "  denominator ",
        "  numerator ",
        "  X            (m, n)\n",
        "B is symmetric",
        "A + X'*C*X is invertible",
        "cookbook:127",
        "A must be symmetric, too",
    ):
        assert part in out


@pytest.mark.parametrize("id", catalog)
def test_every_formula_can_be_shown(id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", id]) == 0
    assert catalog[id].title in capsys.readouterr().out


def test_a_layout_is_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "trace-product", "--layout", "numerator"]) == 0
    assert capsys.readouterr().out == "d tr(A*X) / dX = A\n"


def test_latex_is_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "trace-product", "--latex"]) == 0
    assert capsys.readouterr().out.endswith("= A^{\\top}\n")


def test_a_convention_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "symmetric-determinant-free"]) == 0
    assert "  convention   free\n" in capsys.readouterr().out


def test_an_unknown_id_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "determinnt"]) == 2
    assert "no formula 'determinnt'; the nearest are determinant" in capsys.readouterr().err
    assert main(["show", "zzz"]) == 2
    assert "no formula 'zzz'; `matgrad list` lists them" in capsys.readouterr().err
