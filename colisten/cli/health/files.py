"""Checks of the working folder's files: is each as the stages wrote it?"""

from __future__ import annotations

from collections.abc import Iterator

from colisten.cli.health.finding import Finding
from colisten.pipeline.records import all_damage
from colisten.workdir import Workdir

_TODO = "delete it, and `colisten run` makes it anew"


def check_files(folder: Workdir, *, deep: bool) -> Iterator[Finding]:
    """Compare the sizes of the files, and their contents if `deep`, with the records of the stages."""
    damaged = all_damage(folder, deep=deep)
    for found in damaged:
        yield Finding("bad", "files", found, _TODO)
    if not damaged:
        yield Finding("ok", "files", "all are as they were written" if deep else "all have the sizes they had")
