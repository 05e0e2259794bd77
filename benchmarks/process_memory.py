"""What a process holds at a moment: memory, open files, threads; and whether that grows over many such looks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil


class Held(NamedTuple):
    """Of a process and its children."""

    mib: float
    """Resident memory of its own, pages shared with others left out where they are files."""
    files: int
    threads: int
    children: int


def held(pid: int | None = None) -> Held:
    """Look at a process, by default at this one."""
    folder = Path(f"/proc/{pid or os.getpid()}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    children = len(psutil.Process(pid).children())
    files = len(list((folder / "fd").iterdir()))
    return Held(int(status["RssAnon"].split()[0]) / 1024, files, int(status["Threads"]), children)


def growth(looks: Sequence[Held]) -> list[dict[str, object]]:
    """Rows of `what, second quarter, last quarter`: medians, so that what the beginning builds up is left out."""
    size = max(1, len(looks) // 4)
    rows: list[dict[str, object]] = []
    for place, name in enumerate(Held._fields):
        early, late = (median(look[place] for look in part) for part in (looks[size : 2 * size], looks[-size:]))
        rows.append({"what": name, "second quarter": round(early, 1), "last quarter": round(late, 1)})
    return rows
