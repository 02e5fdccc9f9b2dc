"""New .npy files, written block by block, that appear whole or not at all.

Each grows under a temporary name in the folder where it will stand and is renamed at the end;
several are renamed together. Only a kill between two renames can leave one without the other, and
only a kill can leave a temporary file (`.matgrad-*.partial`) behind.
"""

import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from matgrad.streaming.errors import FileError

Array = npt.NDArray[Any]


@contextmanager
def new_arrays(
    shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any], *, overwrite: bool = False
) -> Iterator[list["NewArray"]]:
    """Write arrays block by block to files that appear together when the context ends.

    Parameters
    ----------
    shapes
        The shape of each array, by the path of its file.
    dtype
        The dtype of all.
    overwrite
        Whether files that exist are replaced.

    Yields
    ------
    list of NewArray
        In the order of `shapes`; append their entries in C order.

    Raises
    ------
    FileError
        If a file exists and is not to be replaced, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from matgrad.streaming import new_arrays
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/squares.npy"
    ...     with new_arrays({path: (4,)}, np.dtype(float)) as [squares]:
    ...         squares.append(np.array([0.0, 1.0]))
    ...         squares.append(np.array([4.0, 9.0]))
    ...     print(np.load(path))
    [0. 1. 4. 9.]
    """
    for path in shapes:
        check_target(path, overwrite=overwrite)
    arrays: list[NewArray] = []
    try:
        with ExitStack() as files:
            for path, shape in shapes.items():
                arrays.append(NewArray(path))
                arrays[-1].begin(files, shape, dtype)
            yield arrays
            for array in arrays:
                array.finish()
        for path in shapes:
            check_target(path, overwrite=overwrite)
        with _interrupts_ignored():
            _publish(arrays)
    finally:
        with _interrupts_ignored():
            for array in arrays:
                array.clean_up()


def check_target(path: str, *, overwrite: bool) -> None:
    """Refuse a path where no new .npy file may stand.

    Raises
    ------
    FileError
        If the name does not end in .npy, the folder does not exist or cannot be written to, or
        something stands there that is not a file or not to be replaced.
    """
    target = Path(path)
    folder = Path(os.path.realpath(path)).parent
    if target.suffix != ".npy":
        raise FileError(f"cannot write {path}: the name of an output must end in .npy")
    if not folder.is_dir():
        raise FileError(f"cannot write {path}: there is no folder {target.parent}")
    if not os.access(folder, os.W_OK):
        raise FileError(f"cannot write {path}: no permission to write to {target.parent}")
    if target.exists() and not target.is_file():
        raise FileError(f"cannot write {path}: it is not a regular file")
    if target.exists() and not overwrite:
        raise FileError(f"cannot write {path}: the file exists (--force replaces it)")


class NewArray:
    """An array on its way to a file.

    Parameters
    ----------
    path
        Where the file will stand; a symbolic link is followed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.target = Path(os.path.realpath(path))
        token = secrets.token_hex(4)
        self.partial = self.target.with_name(f".matgrad-{token}.partial")
        self.replaced = self.target.with_name(f".matgrad-{token}.replaced")
        self._file: BinaryIO

    def begin(self, files: ExitStack, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Open the temporary file and write the header."""
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        }
        with self._says_what_fails():
            self._file = self.partial.open("xb")
            files.callback(_close, self._file)
            np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, block: Array) -> None:
        """Write the next entries, in C order."""
        with self._says_what_fails():
            self._file.write(np.ascontiguousarray(block).data)

    def finish(self) -> None:
        """Bring the temporary file to the disk: a name must never outlive a crash without it."""
        with self._says_what_fails():
            self._file.flush()
            os.fsync(self._file.fileno())

    def clean_up(self) -> None:
        """Remove what is left of the temporary files."""
        self.partial.unlink(missing_ok=True)
        self.replaced.unlink(missing_ok=True)

    @contextmanager
    def _says_what_fails(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(f"cannot write {self.path}: {error.strerror}") from error


def _close(file: BinaryIO) -> None:
    """Close a file; `finish` has told whether all was written, and else it is given up."""
    with suppress(OSError):
        file.close()


def _publish(arrays: list[NewArray]) -> None:
    """Rename all temporary files, or none.

    A file that is replaced is first moved aside, to come back if a later rename fails. Behind the
    last one nothing can fail: it is replaced in one step, and so is a single output.
    """
    done: list[tuple[Path, Path]] = []

    def move(source: Path, target: Path) -> None:
        source.replace(target)
        done.append((source, target))

    try:
        for array in arrays:
            if array is not arrays[-1] and array.target.exists():
                move(array.target, array.replaced)
            move(array.partial, array.target)
    except OSError as error:
        for source, target in reversed(done):
            target.replace(source)
        raise FileError(f"cannot write {array.path}: {error.strerror}") from error


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let no interrupt stop the last steps; outside the main thread, none arrives anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
