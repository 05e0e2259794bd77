"""A private view of a shard that this user may only read, since the engine opens some of its files for writing.

Large files, which the engine opens for reading, are links; of the others the data is copied, not the holes that most of
their size is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

_READ_ONLY = {"matrix.dat", "quantized.data", "inverted_index.dat", "id_tracker.mappings"}
"""Files that the engine only reads; those that end in `.bin` too."""
_PIECE = 1 << 20


def shard_files(shard: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder of a shard with its files, without what an engine of another process writes and takes away again."""
    for folder, folders, files in os.walk(shard):
        folders[:] = sorted(name for name in folders if not name.startswith(".atomicwrite"))
        yield Path(folder), [Path(folder, name) for name in sorted(files)]


def is_ours(shard: Path) -> bool:
    """Whether this user may write in a shard."""
    return all(os.access(path, os.W_OK) for path in (shard, shard / "segments", shard / "edge_config.json"))


def write_view(shard: Path, view: Path) -> None:
    """Fill the empty folder `view` so that the engine can open it as it would `shard`.

    Raises:
        OSError: a file cannot be read, or the disk is full.
    """
    for folder, files in shard_files(shard):
        (view / folder.relative_to(shard)).mkdir(exist_ok=True)
        for source in files:
            target = view / source.relative_to(shard)
            if source.name in _READ_ONLY or source.suffix == ".bin":
                target.symlink_to(source.resolve())
            else:
                _copy_data(source, target)


def _copy_data(source: Path, target: Path) -> None:
    """Copy a file without its holes."""
    with source.open("rb", buffering=0) as old, target.open("wb", buffering=0) as new:
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        end = 0
        while (begin := _next_data(old.fileno(), end)) < size:
            end = os.lseek(old.fileno(), begin, os.SEEK_HOLE)
            for at in range(begin, end, _PIECE):
                os.pwrite(new.fileno(), os.pread(old.fileno(), min(_PIECE, end - at), at), at)


def _next_data(file: int, begin: int) -> int:
    """Where a file has data next, at `begin` or behind it; its end if there is none."""
    try:
        return os.lseek(file, begin, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return os.fstat(file).st_size
        raise
