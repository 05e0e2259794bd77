"""The blocks of code in a page of docs/, for tests that run it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
_FENCE = re.compile(r"^```(\w+) ?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Language, file name (or `no-run`) and content of each block of a page."""
    return _FENCE.findall((DOCS / page).read_text())


def put_on_path(page: str, file: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a module that a page gives as a file, and make it importable for the length of the test."""
    ((_, _, content),) = [block for block in blocks(page) if block[1] == file]
    (folder / file).write_text(content)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, Path(file).stem, raising=False)  # another test may have imported its own copy
