"""The examples of the documentation: each runs, in silence but for what it prints."""

import ast
import runpy
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the libraries that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_says_what_it_found(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = FOLDER / f"{name}.py"
    for library in imports(path):
        pytest.importorskip(library)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


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
