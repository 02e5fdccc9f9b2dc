import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matgrad.streaming import Box, FileError, open_source, sources

Array = npt.NDArray[Any]

KINDS = ["npy", "stored", "compressed"]
ORDERS = ["C", "F"]


def save(folder: Path, kind: str, X: Array) -> tuple[str, str | None]:
    """Save X; return the path and the key to open it by."""
    if kind == "npy":
        np.save(folder / "X.npy", X)
        return str(folder / "X.npy"), None
    write = np.savez if kind == "stored" else np.savez_compressed
    write(folder / f"{kind}.npz", other=np.arange(7.0), X=X)
    return str(folder / f"{kind}.npz"), "X"


def opened(path: str | Path, key: str | None = None) -> None:
    """Open a source and nothing more."""
    with open_source(str(path), key):
        pass


@st.composite
def arrays_and_boxes(draw: st.DrawFn) -> tuple[Array, Box]:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=5))
    box = []
    for length in shape:
        start = draw(st.integers(0, length - 1))
        box.append(range(start, draw(st.integers(start + 1, length))))
    return np.arange(np.prod(shape, dtype=int)).reshape(shape), tuple(box)


@pytest.mark.parametrize("piece", [1, 64, 1 << 22])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_is_what_numpy_loads(kind: str, order: Literal["C", "F"], piece: int) -> None:
    @settings(deadline=None, max_examples=50)
    @given(arrays_and_boxes(), st.sampled_from(["<f8", ">f8", "<f4", "<i2", "?"]))
    def check(case: tuple[Array, Box], dtype: str) -> None:
        numbers, box = case
        X = np.asarray(numbers.astype(dtype), order=order)
        with tempfile.TemporaryDirectory() as folder:
            path, key = save(Path(folder), kind, X)
            loaded = np.load(path) if key is None else np.load(path)[key]
            with open_source(path, key) as source:
                assert (source.shape, source.dtype) == (X.shape, X.dtype)
                block = source.block(box)
                expected = loaded[(..., *(slice(part.start, part.stop) for part in box))]
                assert block.dtype == expected.dtype
                assert np.array_equal(block, expected)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "PIECE", piece)
        check()


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_can_be_read_in_any_order(kind: str, tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((9, 3, 3))
    path, key = save(tmp_path, kind, X)
    with open_source(path, key) as source:
        for k in [0, 5, 5, 2, 8, 0]:
            block = source.block((range(k, k + 1), range(3), range(3)))
            assert np.array_equal(block, X[k : k + 1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(0, 3, 3), (4, 0, 0)])
def test_an_empty_array_has_empty_blocks(
    shape: tuple[int, ...], kind: str, order: Literal["C", "F"], tmp_path: Path
) -> None:
    path, key = save(tmp_path, kind, np.zeros(shape, order=order))
    with open_source(path, key) as source:
        assert source.block(tuple(range(length) for length in shape)).shape == shape


def test_the_only_array_of_an_archive_needs_no_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", np.eye(2))
    with open_source(str(tmp_path / "one.npz")) as source:
        assert np.array_equal(source.block((range(2), range(2))), np.eye(2))


def test_a_file_is_told_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "archive.npz", X=np.eye(2))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.data")
    with open_source(str(tmp_path / "archive.data"), "X") as source:
        assert source.shape == (2, 2)


@pytest.mark.parametrize("kind", ["npy", "stored"])
def test_uncompressed_blocks_are_views_of_the_file_and_cannot_be_written(
    kind: str, tmp_path: Path
) -> None:
    path, key = save(tmp_path, kind, np.zeros((5, 2, 2)))
    with open_source(path, key) as source:
        block = source.block((range(1, 3), range(2), range(2)))
        assert not block.flags.owndata
        assert not block.flags.writeable


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.npy")
    with pytest.raises(FileError, match=r"cannot read .*nowhere\.npy: No such file"):
        opened(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="Is a directory"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\x93", b"hello, world", b"\x93NUMPY\x01\x00\x05\x00abcde"]
)
def test_a_file_of_another_format_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "junk.npy"
    path.write_bytes(content)
    with pytest.raises(FileError, match="neither"):
        opened(path)


def test_an_impossible_shape_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.zeros((22, 2)))
    content = (tmp_path / "X.npy").read_bytes()
    (tmp_path / "X.npy").write_bytes(content.replace(b"(22,", b"(-2,"))
    with pytest.raises(FileError, match=r"impossible shape \(-2, 2\)"):
        opened(tmp_path / "X.npy")


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 3)}"
DAMAGED = {
    "open-bracket": ("((((", (1, 0), "is neither a .npy nor an .npz file"),
    "unhashable": ("{[]: 1}", (1, 0), "is neither a .npy nor an .npz file"),
    "no-version": (HEADER, (0, 0), "is neither a .npy nor an .npz file"),
    "version-to-come": (HEADER, (4, 0), "is neither a .npy nor an .npz file"),
    "huge": (HEADER.replace("3, 3", f"{10**30}, 0"), (1, 0), "has the impossible shape"),
    "arrays": (HEADER.replace("'<f8'", "('<f8', (2,))"), (1, 0), "holds arrays in an array"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_header_that_is_damaged_is_refused(name: str, tmp_path: Path) -> None:
    header, version, message = DAMAGED[name]
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    content = b"\x93NUMPY" + bytes(version) + length + header.encode() + bytes(144)
    (tmp_path / "X.npy").write_bytes(content)
    with pytest.raises(FileError, match=message):
        opened(tmp_path / "X.npy")


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
def test_versions_of_the_format_are_read(version: tuple[int, int], tmp_path: Path) -> None:
    X = np.arange(9.0).reshape(3, 3)
    with (tmp_path / "X.npy").open("wb") as file:
        np.lib.format.write_array(file, X, version)
    with open_source(str(tmp_path / "X.npy")) as source:
        assert np.array_equal(source.block((range(3), range(3))), X)


def test_a_stored_array_that_lies_about_its_length_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "X.npz", X=np.zeros((3, 3)))
    content = (tmp_path / "X.npz").read_bytes()
    (tmp_path / "X.npz").write_bytes(content.replace(b"(3, 3)", b"(9, 9)"))
    with pytest.raises(FileError, match="cut short"):
        opened(tmp_path / "X.npz")


def test_python_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(FileError, match="Python objects"):
        opened(tmp_path / "objects.npy")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_short_is_refused(kind: str, tmp_path: Path) -> None:
    path, key = save(tmp_path, kind, np.random.default_rng(0).standard_normal((50, 3, 3)))
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError, match=r"cut short|cannot read"):
        opened(path, key)


def test_a_compressed_array_shorter_than_its_header_promises_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.zeros((2, 2)))
    content = (tmp_path / "X.npy").read_bytes()[:-8]
    with zipfile.ZipFile(tmp_path / "X.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", content)
    with pytest.raises(FileError, match="cut short"):
        opened(tmp_path / "X.npz")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_a_compressed_array_is_found(compression: int, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(1000, 3, 3)))
    path = tmp_path / "X.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.write(tmp_path / "X.npy", "X.npy")
    content = bytearray(path.read_bytes())

    def read() -> None:
        with open_source(str(path), "X") as source:
            source.block((range(1000), range(3), range(3)))

    for at in (80, len(content) // 2):
        path.write_bytes(content[:at] + b"\xff" * 8 + content[at + 8 :])
        with pytest.raises(FileError, match="cannot read"):
            read()


def test_the_name_of_an_array_is_needed_among_several(tmp_path: Path) -> None:
    path, _ = save(tmp_path, "stored", np.eye(2))
    with pytest.raises(FileError, match=r"holds other, X; choose one"):
        opened(path)


def test_an_archive_without_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "X.npz")
    for key in (None, "X"):
        with pytest.raises(FileError, match=r"X\.npz holds no array$"):
            opened(tmp_path / "X.npz", key)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    path, _ = save(tmp_path, "stored", np.eye(2))
    with pytest.raises(FileError, match=r"no array 'Y'; it holds other, X"):
        opened(path, "Y")


def test_a_name_has_no_meaning_in_a_npy_file(tmp_path: Path) -> None:
    path, _ = save(tmp_path, "npy", np.eye(2))
    with pytest.raises(FileError, match=r"not an \.npz file"):
        opened(path, "X")
