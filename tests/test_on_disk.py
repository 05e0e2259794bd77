"""Arrays on disk are what they would be in memory, and leave nothing behind."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from colisten.arrays import Int32s
from colisten.grouping import grouped
from colisten.on_disk import GrowingArray, blank


@pytest.mark.parametrize("on_disk", [False, True])
def test_what_was_appended_is_there_and_no_file_is(tmp_path: Path, on_disk: bool) -> None:
    folder = tmp_path if on_disk else None
    array = GrowingArray(np.int32, folder)
    assert array.whole().tolist() == []
    for piece in ([1, 2], [], [3]):
        array.append(np.array(piece, np.int64))
    found = array.whole()
    assert found.tolist() == [1, 2, 3]
    assert found.dtype == np.int32
    empty = blank(5, np.int64, folder)
    empty[:] = 7
    assert empty.tolist() == [7] * 5
    assert blank(0, np.int64, folder).tolist() == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("on_disk", [False, True])
def test_values_are_grouped_as_a_stable_sort_groups_them(tmp_path: Path, on_disk: bool) -> None:
    rng = np.random.default_rng(0)
    keys: Int32s = rng.integers(0, 9, 300).astype(np.int32)
    values = np.arange(300)
    pieces = [(keys[at : at + 70], values[at : at + 70]) for at in range(0, 300, 70)]
    lengths = np.bincount(keys, minlength=12)
    indptr, found = grouped(pieces, lengths, np.int64, tmp_path if on_disk else None)
    assert np.diff(indptr).tolist() == lengths.tolist()
    assert found.tolist() == np.argsort(keys, kind="stable").tolist()


WRITERS = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from colisten.errors import OutOfSpaceError
from colisten.on_disk import GrowingArray, blank

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
def appended():
    array = GrowingArray(np.int64, Path(sys.argv[2]))
    array.append(np.zeros(1 << 16))
    array.whole()
try:
    {"appended": appended, "blank": lambda: blank(1 << 16, np.int64, Path(sys.argv[2]))}[sys.argv[1]]()
except OutOfSpaceError as error:
    print(error)
"""


@pytest.mark.parametrize("writer", ["appended", "blank"])
def test_a_full_disk_is_told(tmp_path: Path, writer: str) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] < 0
    words = [sys.executable, "-c", WRITERS, writer, str(tmp_path)]
    assert "No space is left" in subprocess.run(words, capture_output=True, text=True, check=True).stdout
