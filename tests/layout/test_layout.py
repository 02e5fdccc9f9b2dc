"""matgrad.layout as a whole: its examples run, and it stands on NumPy alone."""

import doctest
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from matgrad.layout import conversion, vectorization

DOCS = Path(__file__).parents[2] / "docs" / "layouts.md"

ALONE = """
import sys, types
import numpy, numpy.typing
package = types.ModuleType("matgrad")
package.__path__ = [{folder!r}]
sys.modules["matgrad"] = package
before = set(sys.modules)
import matgrad.layout
loaded = set(sys.modules) - before
assert all(name.startswith(("matgrad.layout", "importlib")) for name in loaded), loaded
"""


@pytest.mark.parametrize("module", [conversion, vectorization], ids=lambda module: module.__name__)
def test_docstring_examples_run(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_page_of_layouts_runs() -> None:
    result = doctest.testfile(str(DOCS), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0


def test_layout_loads_nothing_but_numpy() -> None:
    """The package stands alone where its parent, which loads the kernels, is an empty shell."""
    folder = str(Path(conversion.__file__).parents[1])
    subprocess.run([sys.executable, "-c", ALONE.format(folder=folder)], check=True, timeout=60)
