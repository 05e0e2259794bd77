"""Full disks, by the many words in which the libraries that write files tell of them."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colisten.errors import OutOfSpaceError

_CODES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WORDS = re.compile(
    r"no space left|disk quota exceeded|file too large|disk is full|max_temp_directory_size"
    r"|\d+ requested and \d+ written",
    re.IGNORECASE,
)
"""Of the system, SQLite, DuckDB and NumPy."""


_NOTHING = 1 << 18
"""Bytes with which nothing can be done."""


def says_full(text: str) -> bool:
    """Whether a message tells of a full disk, a quota that is used up or a limit on the size of files."""
    return _WORDS.search(text) is not None


def is_full(error: BaseException | None) -> bool:
    """Whether that is what an error tells of, or one that it came from."""
    while error is not None:
        if getattr(error, "errno", None) in _CODES or says_full(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def told_when_full(folder: Path | None = None) -> Iterator[None]:
    """Whatever a library raises where a disk is full, as one error.

    Some say nothing of it, or another program does: where there is no room in `folder`, that is the reason.

    Raises:
        OutOfSpaceError: the disk is full.
    """
    try:
        yield
    except OutOfSpaceError:
        raise
    except Exception as error:
        if not is_full(error) and (folder is None or shutil.disk_usage(folder).free > _NOTHING):
            raise
        raise OutOfSpaceError(
            "No space is left on the disk: free some and run the same command again; nothing is lost."
        ) from error
