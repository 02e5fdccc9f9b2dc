"""The README keeps its word: examples run, its table is the package's, CI finds its commands."""

import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import scipy_doctest

import matgrad

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", ["python", "pycon"])
def test_examples_run(language: str, tmp_path: Path) -> None:
    blocks, precision = fenced("python"), nullcontext()
    if language == "pycon":  # those that need an extra, behind the imports of the first
        # The default, whatever another library has set: Pymanopt sets double precision.
        pytest.importorskip("xarray")
        precision = pytest.importorskip("jax").enable_x64(False)
        blocks = [blocks[0], *fenced("pycon")]
    examples = tmp_path / "README"
    examples.write_text("".join(blocks), encoding="utf-8")
    with precision:
        result, _ = scipy_doctest.testfile(str(examples), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_gufunc_stands_in_the_table_with_its_signature() -> None:
    rows = re.findall(r"^\| `(\w+)\(.*?\)` \| `(.*?)` \|", TEXT, re.MULTILINE)
    public = {name: getattr(matgrad, name) for name in matgrad.__all__}
    gufuncs = {name: f.signature for name, f in public.items() if isinstance(f, np.ufunc)}
    assert dict(rows) == gufuncs


def test_the_two_commands_are_the_only_shell_blocks() -> None:
    assert fenced("sh") == [
        "pip install . && matgrad check\n",
        'pip install ".[test]" && pytest\n',
    ]


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    assert all((ROOT / link).exists() for link in links)
