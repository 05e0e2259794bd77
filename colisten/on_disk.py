"""Arrays on disk in place of memory: in files without a name, which are gone with the process."""

from __future__ import annotations

import tempfile
from mmap import mmap
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from colisten.full_disk import told_when_full

T = TypeVar("T", bound=np.generic)
_WRITTEN_AT_ONCE = 1 << 16


class GrowingArray(Generic[T]):
    """A one-dimensional array that is appended to piece by piece, in a file of `folder`; in memory without one."""

    def __init__(self, dtype: type[T], folder: Path | None) -> None:
        self._dtype = dtype
        self._pieces: list[npt.NDArray[T]] = []
        self._file = _nameless(folder) if folder else None

    def append(self, piece: npt.NDArray[Any]) -> None:
        """Add a piece, as the array's dtype.

        Raises:
            OutOfSpaceError: the disk is full.
        """
        values = np.ascontiguousarray(piece, self._dtype)
        if self._file is None:
            self._pieces.append(values)
            return
        with told_when_full():
            self._file.write(values.data)

    def whole(self) -> npt.NDArray[T]:
        """All that was appended; pages of a file are read as they are touched.

        Raises:
            OutOfSpaceError: the disk is full.
        """
        if self._file is None:
            return np.concatenate([np.empty(0, self._dtype), *self._pieces])
        with told_when_full():
            self._file.flush()
        return _mapped(self._file, self._dtype)


def blank(length: int, dtype: type[T], folder: Path | None) -> npt.NDArray[T]:
    """An array [length] to be filled, in a file of `folder`; in memory without one.

    Raises:
        OutOfSpaceError: the disk is full.
    """
    if folder is None:
        return np.empty(length, dtype)
    file, size = _nameless(folder), length * np.dtype(dtype).itemsize
    with told_when_full():  # written, for a map of a file with holes ends the process where the disk is full
        for at in range(0, size, _WRITTEN_AT_ONCE):
            file.write(bytes(min(_WRITTEN_AT_ONCE, size - at)))
        file.flush()
    return _mapped(file, dtype)


def _nameless(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


def _mapped(file: IO[bytes], dtype: type[T]) -> npt.NDArray[T]:
    if not file.tell():
        return np.empty(0, dtype)
    return np.frombuffer(mmap(file.fileno(), 0), dtype)
