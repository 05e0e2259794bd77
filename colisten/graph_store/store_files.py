"""The files in which the managed server keeps a database: whether there are any, and a store that no longer opens."""

from __future__ import annotations

import shutil
from pathlib import Path

from colisten.graph_store.endpoint import BrokenStoreError
from colisten.graph_store.server.managed import ManagedServer
from colisten.progress import Progress

STORES = ("databases", "transactions")
"""Folders below `data` that each hold one half of a database's store."""


def has_store(server: ManagedServer, database: str) -> bool:
    """Whether the managed server has files of that database; half a store, left by a kill, is removed."""
    halves = _halves(server, database)
    if any(half.exists() for half in halves) and not all(half.exists() for half in halves):
        with server.stopped():
            for half in halves:
                shutil.rmtree(half, ignore_errors=True)
    return halves[0].exists()


def open_store(server: ManagedServer, database: str, progress: Progress) -> None:
    """Start the managed server; where it cannot open its store, as after a full disk, it begins with an empty one.

    The graph is made of other files of the working folder, so nothing of it is lost. The former store is kept beside
    the data, in case somebody has put something of their own in it.
    """
    try:
        server.start()
    except BrokenStoreError:
        aside = server.folder / "data-that-does-not-open"
        server.stop()
        shutil.rmtree(aside, ignore_errors=True)
        for half in _halves(server, database):
            target = aside / half.parent.name
            target.mkdir(parents=True)
            half.rename(target / database)
        progress.say(f"Neo4j can no longer open its store, so the graph is built anew. The former files: {aside}")
        server.start()


def _halves(server: ManagedServer, database: str) -> list[Path]:
    return [server.folder / "data" / store / database for store in STORES]
