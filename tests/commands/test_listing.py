import pytest

from matgrad import catalog
from matgrad.__main__ import main
from matgrad.formulas import CHAPTERS
from matgrad.formulas.missing import MISSING


def test_all_formulas_are_listed_under_their_chapters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert [line for line in lines if line in CHAPTERS] == list(CHAPTERS)
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(catalog)
    assert lines[-1] == f"{len(catalog)} of {len(catalog)} formulas"


def test_words_and_a_source_narrow_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "kronecker", "trace", "--source", "cookbook"]) == 0
    out = capsys.readouterr().out
    assert "trace-kronecker-square  d tr(kron(X, X)) / dX = 2*tr(X)*I" in out
    assert f"2 of {len(catalog)} formulas" in out
    assert "Determinants" not in out


def test_nothing_found_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "no such words"]) == 1
    assert capsys.readouterr().out == f"0 of {len(catalog)} formulas\n"


def test_what_is_missing_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--missing"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(MISSING)


def test_the_page_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Formulas\n")


@pytest.mark.parametrize("option", ["--missing", "--markdown"])
@pytest.mark.parametrize("narrowed", [["trace"], ["--source", "cookbook"]])
def test_what_cannot_be_narrowed_says_so(
    option: str, narrowed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", option, *narrowed]) == 2
    sentence = f"list {option} lists everything; it takes no TEXT and no --source"
    assert sentence in capsys.readouterr().err
