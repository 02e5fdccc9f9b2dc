"""The examples of the documentation: each runs, in silence but for what it prints."""

import ast
import re
import runpy
import sys
import tomllib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the libraries that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_agrees_says_so_and_draws_its_plot(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, plot = FOLDER / f"{name}.py", tmp_path / "plot.svg"
    for library in imports(path):
        pytest.importorskip(library)
    draws = "[PLOT.svg]" in path.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(path), *([str(plot)] if draws else [])])
    runpy.run_path(str(path), run_name="__main__")  # raises an error if it does not agree
    assert capsys.readouterr().out
    assert plot.exists() == draws
    assert path.with_suffix(".svg").exists() == draws


def test_the_extra_has_the_libraries_that_the_examples_import() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], "matgrad[examples]"]
    for each in needed:  # grows by what other extras it names
        if each.startswith("matgrad["):
            for extra in each[len("matgrad[") : -1].split(","):
                needed += project["optional-dependencies"][extra]
    listed = {re.split(r"[^\w-]", each)[0] for each in needed} - {"matgrad"}
    imported = {each.split(".")[0] for name in EXAMPLES for each in imports(FOLDER / f"{name}.py")}
    others = imported - sys.stdlib_module_names - {"matgrad"}
    assert {{"sklearn": "scikit-learn"}.get(each, each) for each in others} == listed


def test_every_example_stands_in_the_list() -> None:
    listed = re.findall(r"\]\((\w+)\.py\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == EXAMPLES


@pytest.mark.parametrize("way", ["by_loop", "by_dask"])
def test_data_larger_than_memory_leave_it_chunk_by_chunk(way: str, tmp_path: Path) -> None:
    pytest.importorskip("dask.array")
    example = runpy.run_path(str(FOLDER / "out_of_memory.py"))
    example["write_data"](tmp_path)
    function, w = example[way](tmp_path), np.ones(example["COLUMNS"])
    function(w)  # imports what it needs
    tracemalloc.start()
    try:
        function(w)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < example["MAX_BYTES"] < (tmp_path / "X.npy").stat().st_size / 4
