"""Arrays in .npy and .npz files, read block by block.

A .npy file, and a member that `numpy.savez` has stored as it is, are mapped into memory. Each
block is a mapping of its own: its pages leave memory with it, where one mapping of the whole file
would keep every page that was ever read. A compressed member cannot be mapped; it is decompressed
from front to back, as far as the next block. A block in Fortran order lies scattered over the
file and is gathered in pieces; each block then costs a pass over the file.

What is mapped is taken as it is: the checksum of a stored member is not tested, which would cost a
pass over the file before the first block, and a .npy file has none. Those of compressed members
are.
"""

import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from matgrad.streaming.blocks import Box
from matgrad.streaming.errors import FileError

Array = npt.NDArray[Any]

Entries = Callable[[int, int], Array]
"""Reads the entries from one number up to another, in the order of the file."""

PIECE = 1 << 22
"""Bytes of a file that may be read to pick scattered entries from them."""

DAMAGE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
)
"""What the standard library raises of damaged archives, one or the other by their compression."""

with suppress(ImportError):  # Python may be built without it
    from lzma import LZMAError

    DAMAGE += (LZMAError,)


@contextmanager
def open_source(path: str, key: str | None = None) -> Iterator["Source"]:
    """Open the array in a file; nothing but its header is read yet.

    Parameters
    ----------
    path
        A .npy or an .npz file, told apart by their first bytes.
    key
        The name of the array in an .npz file; needed where it holds several.

    Yields
    ------
    Source
        The array, good until the context ends.

    Raises
    ------
    FileError
        If the file cannot be read, is neither .npy nor .npz, is cut short, or holds no such array.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from matgrad.streaming import open_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/X.npy", np.arange(12.0).reshape(3, 2, 2))
    ...     with open_source(f"{folder}/X.npy") as X:
    ...         print(X.shape, X.block((range(1, 2), range(2), range(2))).tolist())
    (3, 2, 2) [[[4.0, 5.0], [6.0, 7.0]]]
    """
    with ExitStack() as files:
        try:
            file = files.enter_context(Path(path).open("rb"))
            is_zip = file.read(2) == b"PK"
            end = file.seek(0, 2)
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror}") from error
        if is_zip:
            yield _open_member(files, file, end, path, key)
        elif key is None:
            yield _map(file, path, start=0, length=end)
        else:
            raise FileError(f"{path} is not an .npz file, so it has no array {key!r}")


class Source:
    """An array in a file.

    Parameters
    ----------
    name
        What messages call it.
    entries
        Reads runs of entries in the order of the file.
    shape, dtype
        Those of the array.
    fortran_order
        Whether the first index runs fastest in the file.
    """

    def __init__(
        self,
        name: str,
        entries: Entries,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        fortran_order: bool,
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self._entries = entries
        self._fortran_order = fortran_order
        self._box: Box | None = None
        self._block: Array | None = None

    def block(self, box: Box) -> Array:
        """Return the part of the array that `box` covers.

        The last block is kept, so that an array that serves several blocks is read once.
        """
        if self._block is None or self._box != box:
            self._block = None  # the old block goes before the new one comes
            self._block = self._read(box)
            self._box = box
        return self._block

    def _read(self, box: Box) -> Array:
        if not self._fortran_order:
            return _gather(self._entries, self.dtype, self.shape, box)
        return _gather(self._entries, self.dtype, self.shape[::-1], box[::-1]).T


def _gather(
    entries: Entries, dtype: np.dtype[Any], shape: Sequence[int], box: Box, start: int = 0
) -> Array:
    """Return the box of the C-ordered array of this shape that begins at entry `start`."""
    size = tuple(map(len, box))
    if prod(size) == 0:
        return np.empty(size, dtype)
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    first = start + sum(part[0] * stride for part, stride in zip(box, strides, strict=True))
    last = start + sum(part[-1] * stride for part, stride in zip(box, strides, strict=True))
    if last - first + 1 == prod(size):
        return entries(first, last + 1).reshape(size)
    if prod(shape) * dtype.itemsize <= PIECE:
        whole = entries(start, start + prod(shape)).reshape(shape)
        return whole[tuple(slice(part.start, part.stop) for part in box)]
    block = np.empty(size, dtype)
    for place, index in enumerate(box[0]):
        block[place] = _gather(entries, dtype, shape[1:], box[1:], start + index * strides[0])
    return block


def _open_member(files: ExitStack, file: IO[bytes], end: int, path: str, key: str | None) -> Source:
    """Return an array of the .npz file `file`, which has `end` bytes."""
    try:
        archive = files.enter_context(zipfile.ZipFile(file))
        member = _choose(archive, path, key)
        if member.compress_type == zipfile.ZIP_STORED:
            start = _stored_at(file, member)
            return _map(file, path, start, length=min(member.file_size, end - start))
        return _stream(files.enter_context(archive.open(member)), path, member.file_size)
    except DAMAGE as error:
        raise FileError(f"cannot read {path}: {error}") from error


def _choose(archive: zipfile.ZipFile, path: str, key: str | None) -> zipfile.ZipInfo:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if key is None and len(members) == 1:
        (key,) = members
    if key in members:
        return members[key]
    if not members:
        raise FileError(f"{path} holds no array")
    names = ", ".join(members)
    if key is None:
        raise FileError(f"{path} holds {names}; choose one with {path}:NAME")
    raise FileError(f"{path} has no array {key!r}; it holds {names}")


def _stored_at(file: IO[bytes], member: zipfile.ZipInfo) -> int:
    """Return where a member's bytes begin: behind its local header (APPNOTE.TXT, 4.3.7)."""
    file.seek(member.header_offset + 26)
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    return member.header_offset + 30 + int(name_length) + int(extra_length)


def _map(file: IO[bytes], path: str, start: int, length: int) -> Source:
    """Return the array whose .npy file is these bytes of `file`, to be mapped into memory."""
    file.seek(start)
    shape, fortran_order, dtype = _read_header(file, path)
    offset = file.tell()
    _check_length(path, offset - start + prod(shape) * dtype.itemsize, length)

    def entries(first: int, stop: int) -> Array:
        place = offset + first * dtype.itemsize
        return np.asarray(np.memmap(file, dtype, "r", place, (stop - first,)))

    return Source(path, entries, shape, dtype, fortran_order)


def _stream(member: IO[bytes], path: str, length: int) -> Source:
    """Return the array in a compressed member, to be decompressed as it is read."""
    shape, fortran_order, dtype = _read_header(member, path)
    offset = member.tell()
    _check_length(path, offset + prod(shape) * dtype.itemsize, length)

    def entries(first: int, stop: int) -> Array:
        run = np.empty(stop - first, dtype)
        try:
            member.seek(offset + first * dtype.itemsize)
            _fill(run.view(np.uint8), member)
        except DAMAGE as error:
            raise FileError(f"cannot read {path}: {error}") from error
        return run

    return Source(path, entries, shape, dtype, fortran_order)


def _fill(buffer: npt.NDArray[np.uint8], stream: IO[bytes]) -> None:
    """Fill the buffer in steps: what a zip member reads at once is in memory twice."""
    step = 1 << 16
    for start in range(0, len(buffer), step):
        part = buffer[start : start + step]
        piece = stream.read(len(part))
        if len(piece) < len(part):
            raise EOFError("a member ends too early")
        part[:] = np.frombuffer(piece, np.uint8)


def _read_header(stream: IO[bytes], path: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether in Fortran order, and the dtype, and stop behind the header."""
    try:
        match np.lib.format.read_magic(stream):
            case (1, 0):
                header = np.lib.format.read_array_header_1_0(stream)
            case (2, 0) | (3, 0):  # another encoding, for names of fields
                header = np.lib.format.read_array_header_2_0(stream)
            case version:
                raise ValueError(f"there is no version {version}")
    except (ValueError, TypeError, tokenize.TokenError) as error:  # NumPy parses it as Python
        raise FileError(f"{path} is neither a .npy nor an .npz file") from error
    shape, fortran_order, dtype = header
    if not all(0 <= length <= sys.maxsize for length in shape):
        raise FileError(f"{path} has the impossible shape {shape}")
    if dtype.hasobject:
        raise FileError(f"{path} holds Python objects, not numbers")
    if dtype.subdtype is not None:
        raise FileError(f"{path} holds arrays in an array, not numbers")
    return shape, fortran_order, dtype


def _check_length(path: str, needed: int, present: int) -> None:
    if present < needed:
        raise FileError(
            f"{path} is cut short: {present} bytes of {needed} that its header promises"
        )
