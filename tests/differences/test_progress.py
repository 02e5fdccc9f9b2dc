import sys

import numpy as np
import pytest

import matgrad


def rosenbrock(x: np.ndarray) -> np.ndarray:
    head, tail = x[..., :-1], x[..., 1:]
    value: np.ndarray = np.sum(100 * (tail - head**2) ** 2 + (1 - head) ** 2, axis=-1)
    return value


def test_progress_is_told_to_a_function() -> None:
    told = []
    matgrad.jacobian(
        rosenbrock,
        np.ones((2, 5)),
        ndim=1,
        max_bytes=1,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(k, 5) for k in range(1, 6)]


def test_progress_bar_stays_out_of_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    matgrad.jacobian(rosenbrock, np.ones(5), ndim=1, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "jacobian" not in captured.err


def test_missing_rich_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ImportError, match=r"draws with rich: pip install 'matgrad\[cli\]'"):
        matgrad.jacobian(rosenbrock, np.ones(5), ndim=1, progress=True)
