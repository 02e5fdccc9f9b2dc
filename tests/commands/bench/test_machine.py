import os
import re
from pathlib import Path

import pytest

from matgrad.commands.bench import machine
from matgrad.commands.errors import UsageError


def test_the_cores_are_among_those_allowed() -> None:
    assert set(machine.cores(1)) < set(machine.all_cores()) | {-1}
    assert machine.cores(len(machine.all_cores())) == machine.all_cores()


def test_more_threads_than_cores_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot measure 100000 threads: there are"):
        machine.cores(100_000)


def cache(folder: Path, level: int, kind: str, size: str) -> None:
    folder.mkdir(parents=True)
    for name, value in {"level": level, "type": kind, "size": size}.items():
        (folder / name).write_text(f"{value}\n")


def test_caches_are_read_as_linux_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CACHES", tmp_path)
    assert machine.second_level_cache() == 2**20
    assert machine.last_level_cache() == 2**25
    cache(tmp_path / "index0", 1, "Data", "48K")
    cache(tmp_path / "index1", 1, "Instruction", "32K")
    cache(tmp_path / "index2", 2, "Unified", "2048K")
    cache(tmp_path / "index3", 3, "Unified", "36608K")
    assert machine.second_level_cache() == 2**21
    assert machine.last_level_cache() == 36608 * 1024


def test_the_description_names_the_machine() -> None:
    text = machine.description()
    assert re.search(rf"\b{len(machine.all_cores())} cores?\b", text)
    assert os.uname().sysname in text
    assert machine.memory() > 2**28
