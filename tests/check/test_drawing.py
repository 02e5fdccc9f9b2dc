import sys
from typing import Any

import numpy as np
import pytest

import matgrad


def check(factor: Any, batch: Any = ()) -> Any:
    x = np.random.default_rng(0).normal(size=(*batch, 3))
    return matgrad.check_gradient(
        lambda x: np.exp(x).sum(-1), lambda x: factor * np.exp(x), x, ndim=1, rng=0
    )


def test_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"draws with matplotlib: pip install 'matgrad\[plot\]'"):
        check(1).plot()


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "right"), (1.03, "wrong")])
def test_picture_shows_the_remainders_and_both_slopes(factor: Any, verdict: Any) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    _, ax = pyplot.subplots()
    assert check(factor).plot(ax) is ax
    assert ax.get_title() == f"check_gradient: {verdict}"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["slope 2", "slope 1"]
    assert len(ax.lines) == 6 + 2
    pyplot.close("all")


def test_picture_of_a_batch_shows_the_first_point_that_is_not_right() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    ax = check(np.array([[1.0], [1.03]]), (2,)).plot()
    assert ax.get_title() == "check_gradient: wrong at (1,)"
    pyplot.close("all")
