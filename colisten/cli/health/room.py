"""Whether the next run fits the memory and the disk of this machine, by estimate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from colisten.cli.health.finding import Finding
from colisten.listening.data import ListeningData
from colisten.listening.sizes import size_of
from colisten.pipeline.plan import plan
from colisten.settings import Settings
from colisten.workdir import Workdir

_GB = 1 << 30


def check_room(folder: Workdir, settings: Settings) -> Iterator[Finding]:
    """Compare the estimate for the data that was imported with what there is."""
    import psutil

    if not (folder.listening / "summary.json").exists():
        return
    found = plan(size_of(ListeningData(folder.listening), settings), settings)
    memory, free = psutil.virtual_memory().total, shutil.disk_usage(folder.root).free
    taken = sum(path.lstat().st_blocks * 512 for path in folder.root.rglob("*"))
    largest = max(found.estimates, key=lambda one: one.memory).stage
    yield _compared("memory", found.memory, memory, f"most of it is for {largest}: docs/cost.md says what bounds it")
    yield _compared("room", max(0.0, found.disk - taken), free, "free some, or put the working folder on a larger disk")


def _compared(about: str, needed: float, there: float, todo: str) -> Finding:
    said = f"a run takes about {needed / _GB:.1f} GB{' more' if about == 'room' else ''} of {there / _GB:.1f} GB"
    return Finding("ok", about, said) if needed <= there else Finding("warn", about, said, todo)
