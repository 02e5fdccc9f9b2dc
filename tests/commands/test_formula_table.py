import pytest

from matgrad.commands.formula_table import show_comparisons
from matgrad.formulas import Comparison

RIGHT = Comparison("trace", "complex step", 1e-12)
WRONG = Comparison("determinant", "differences", float("nan"))


def test_comparisons_are_printed_with_their_share_of_the_limit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert show_comparisons([RIGHT], total=1) == [RIGHT]
    out = capsys.readouterr().out
    assert "trace complex step 1.0e-12 10.0%" in " ".join(out.split())
    assert "all 1 formulas right" in out


def test_failures_are_repeated_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparisons([WRONG, RIGHT], total=2)
    *_, failure, verdict = capsys.readouterr().out.splitlines()
    assert failure == "FAILED: determinant: WRONG, off by nan from differences"
    assert verdict.startswith("1 of 2 formulas FAILED")
