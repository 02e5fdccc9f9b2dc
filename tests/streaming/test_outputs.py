import os
import signal
import stat
from pathlib import Path

import numpy as np
import pytest

from matgrad.streaming import FileError, check_target, new_arrays

DOUBLE = np.dtype(np.float64)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def write(folder: Path, *, overwrite: bool = False) -> None:
    """Write zeros to two files."""
    shapes = {str(folder / "a.npy"): (2, 3), str(folder / "b.npy"): (2,)}
    with new_arrays(shapes, DOUBLE, overwrite=overwrite) as [a, b]:
        a.append(np.zeros((2, 3)))
        b.append(np.zeros(2))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(), (5,), (4, 3, 3), (0, 2, 2), (3, 0, 0)])
def test_numpy_loads_what_was_appended(shape: tuple[int, ...], dtype: str, tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    with new_arrays({str(tmp_path / "X.npy"): shape}, X.dtype) as [array]:
        for block in X if shape else [X]:
            array.append(block)
    loaded = np.load(tmp_path / "X.npy")
    assert loaded.dtype == X.dtype
    assert np.array_equal(loaded, X)


def test_a_block_of_any_strides_is_written_in_c_order(tmp_path: Path) -> None:
    X = np.arange(24.0).reshape(2, 3, 4)
    with new_arrays({str(tmp_path / "X.npy"): (4, 3, 2)}, DOUBLE) as [array]:
        array.append(X.T)
    assert np.array_equal(np.load(tmp_path / "X.npy"), X.T)


def test_nothing_stands_under_the_names_before_the_end(tmp_path: Path) -> None:
    with new_arrays({str(tmp_path / "X.npy"): (1,)}, DOUBLE) as [array]:
        array.append(np.zeros(1))
        assert all(name.endswith(".partial") for name in names(tmp_path))
    assert names(tmp_path) == ["X.npy"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_on_the_way_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    shapes = {str(tmp_path / "a.npy"): (2,), str(tmp_path / "b.npy"): (2,)}

    def write_half() -> None:
        with new_arrays(shapes, DOUBLE) as [a, b]:
            a.append(np.zeros(2))
            b.append(np.zeros(1))
            raise error

    with pytest.raises(error):
        write_half()
    assert names(tmp_path) == []


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "b.npy").write_text("old")
    with pytest.raises(FileError, match=r"b\.npy: the file exists"):
        write(tmp_path)
    assert names(tmp_path) == ["b.npy"]
    assert (tmp_path / "b.npy").read_text() == "old"


def test_a_file_that_comes_up_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "X.npy"
    with (
        pytest.raises(FileError, match="the file exists"),
        new_arrays({str(path): (0,)}, DOUBLE),
    ):
        path.write_text("another's")
    assert names(tmp_path) == ["X.npy"]
    assert path.read_text() == "another's"


def test_files_that_exist_are_replaced_on_request(tmp_path: Path) -> None:
    for name in ("a.npy", "b.npy"):
        (tmp_path / name).write_text("old")
    write(tmp_path, overwrite=True)
    assert names(tmp_path) == ["a.npy", "b.npy"]
    assert np.load(tmp_path / "a.npy").shape == (2, 3)
    assert np.load(tmp_path / "b.npy").shape == (2,)


@pytest.mark.parametrize("old", [[], ["a.npy"], ["b.npy"], ["a.npy", "b.npy"]])
@pytest.mark.parametrize("failing", ["a.npy", "b.npy"])
def test_all_outputs_appear_or_none(
    failing: str, old: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in old:
        (tmp_path / name).write_text(f"old {name}")
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.suffix == ".partial" and target.name == failing:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(FileError, match=f"cannot write .*{failing}: Input/output error"):
        write(tmp_path, overwrite=True)
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == {
        name: f"old {name}" for name in old
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_between_renames_comes_too_late(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace
    raised = []

    def replace(self: Path, target: Path) -> Path:
        signal.raise_signal(number)
        raised.append(number)
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    before = signal.getsignal(number)
    write(tmp_path)
    assert len(raised) == 2
    assert names(tmp_path) == ["a.npy", "b.npy"]
    assert signal.getsignal(number) is before


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near.npy").symlink_to(tmp_path / "far" / "X.npy")
    with new_arrays({str(tmp_path / "near.npy"): (0,)}, DOUBLE):
        pass
    assert (tmp_path / "near.npy").is_symlink()
    assert names(tmp_path / "far") == ["X.npy"]


def test_a_new_file_has_the_permissions_that_the_user_gives_new_files(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "usual").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.npy", "usual")}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("X.npz", r"must end in \.npy"),
        ("nowhere/X.npy", "there is no folder"),
        ("folder.npy", "not a regular file"),
    ],
)
def test_an_impossible_target_is_refused(name: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(FileError, match=complaint):
        check_target(str(tmp_path / name), overwrite=True)


def test_a_folder_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda folder, mode: False)  # root may write everywhere
    with pytest.raises(FileError, match="no permission"):
        check_target(str(tmp_path / "X.npy"), overwrite=False)
