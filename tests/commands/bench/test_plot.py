import sys
from pathlib import Path

import pytest

from matgrad.commands.bench.cases import Case
from matgrad.commands.bench.implementations import LOADERS
from matgrad.commands.bench.plot import STYLES, check_plot, draw
from matgrad.commands.bench.race import Result
from matgrad.commands.errors import UsageError


def results(operation: str) -> list[Result]:
    return [
        Result(Case(operation, n, "float64", 10), {"matgrad": 1e-7 * n, "jax": 1e-6}, {}, 1.0, 1.0)
        for n in (2, 8, 64)
    ]


def test_every_implementation_has_a_line_of_its_own() -> None:
    assert list(STYLES) == list(LOADERS)
    for aspect in ("color", "marker"):
        assert len({style[aspect] for style in STYLES.values()}) == len(STYLES)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_plot_has_a_panel_for_each_group(count: int, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    import matplotlib as mpl

    groups = {f"group {i}": results("det") for i in range(count)}
    path = tmp_path / "speed.svg"
    with mpl.rc_context({"svg.fonttype": "none"}):
        draw(groups, str(path), "the machine")
    text = path.read_text()
    assert text.count(">ns per matrix<") == count
    assert text.count(">matgrad<") == text.count(">jax<") == count
    assert ">numpy<" not in text
    assert all(f">{title}<" in text for title in [*groups, "the machine"])


@pytest.mark.parametrize(
    ("path", "reason"), [("speed.docx", "has to end in one of"), ("no/speed.svg", "no folder no")]
)
def test_a_plot_that_cannot_be_drawn_is_refused(path: str, reason: str) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(UsageError, match=reason):
        check_plot(path)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install 'matgrad\[plot\]'"):
        check_plot("speed.svg")
