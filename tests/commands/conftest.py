"""A library that stands in for torch in processes that the tests start."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

STAND_IN = """
import os
from types import SimpleNamespace

import numpy as np

__version__ = "0"
set_num_threads = set_grad_enabled = lambda value: None
from_numpy = np.asarray
linalg = SimpleNamespace(det=np.linalg.det, slogdet=np.linalg.slogdet, inv=np.linalg.inv)
"""

StandIn = Callable[[str], None]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Return a function that puts a stand-in with some more lines in the place of torch."""

    def write(lines: str) -> None:
        (tmp_path / "torch.py").write_text(STAND_IN + lines)
        monkeypatch.syspath_prepend(tmp_path)
        others = os.environ.get("PYTHONPATH", "")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), others])))

    return write
