"""Neo4j's jars, installed once for all working folders of a user."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from colisten.errors import GraphError, OutOfSpaceError
from colisten.graph_store.server.download import fetch
from colisten.graph_store.server.jars import VERSION, Jar, cache_folder, locked
from colisten.progress import Progress


def installed_jars(progress: Progress) -> list[Path]:
    """The jars of the lock, downloaded where they are missing; with all in place no network is touched.

    Each is checked on arrival and then moved into place, so a killed installation is resumed, and two at once
    download once.

    Raises:
        GraphError: a jar cannot be had, or is not the locked one.
        OutOfSpaceError: the cache's disk is full.
    """
    folder = cache_folder() / f"neo4j-{VERSION}"
    jars = locked()
    if not all(_in_place(jar, folder) for jar in jars):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.parent / f"{folder.name}.lock"):
                _complete(jars, folder, progress)
        except PermissionError as error:
            raise GraphError(
                f"Neo4j cannot be kept in {folder.parent}: set COLISTEN_CACHE to a folder that this user may write."
            ) from error
    return [folder / jar.name for jar in jars]


def _complete(jars: Iterable[Jar], folder: Path, progress: Progress) -> None:
    _sweep_drafts(folder)
    missing = [jar for jar in jars if not (_in_place(jar, folder) and _is_genuine(jar, folder))]
    title = f"downloading Neo4j {VERSION} (MB)"
    with progress.task(title, total=round(sum(jar.size for jar in missing) / 1e6, 1)) as task:
        try:
            fetch(missing, folder, lambda jar, _: task.advance(round(jar.size / 1e6, 3)))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OutOfSpaceError(
                f"No space is left for Neo4j in {folder}: free some, or set COLISTEN_CACHE."
            ) from error


def _in_place(jar: Jar, folder: Path) -> bool:
    place = folder / jar.name
    return place.is_file() and place.stat().st_size == jar.size


def _is_genuine(jar: Jar, folder: Path) -> bool:
    with (folder / jar.name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256


def _sweep_drafts(folder: Path) -> None:
    for draft in folder.glob(".*"):  # left by a killed process: nobody else downloads while we hold the lock
        draft.unlink()
