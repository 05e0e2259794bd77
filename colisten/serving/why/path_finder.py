"""The co-listening graph as reasons ask it: used where it runs, never started for them, missed without harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from colisten.errors import GraphError
from colisten.settings import Settings
from colisten.workdir import Workdir

if TYPE_CHECKING:
    from neo4j import Driver

    from colisten.graph_store.inspection.paths import GraphPath
    from colisten.graph_store.inspection.show import ItemView

_PATIENCE = 2.0
"""Seconds for which somebody who waits for an answer waits for a Neo4j that has gone."""


class PathFinder:
    """Where paths come from; `absent` says why none do: one that failed once is not asked again."""

    def __init__(self, driver: Driver | None, database: str, absent: str | None) -> None:
        self.absent = absent
        self._driver = driver
        self._database = database

    @classmethod
    def open(cls, workdir: Workdir, settings: Settings) -> Self:
        """Connect if Neo4j runs."""
        with _no_data_frames():
            from colisten.graph_store.connection import running_endpoint
            from colisten.graph_store.endpoint import connect
        database = settings.neo4j.database
        try:
            endpoint = running_endpoint(settings, workdir)
            if endpoint is None:
                return cls(None, database, f"Neo4j is not running: `colisten db start -w {workdir.root}` starts it.")
            return cls(connect(endpoint, database, patience=_PATIENCE), database, None)
        except GraphError as error:
            return cls(None, database, str(error))

    def close(self) -> None:
        if self._driver:
            self._driver.close()

    def paths(self, heard: Sequence[int], wanted: Sequence[int], count: int) -> dict[int, tuple[GraphPath, ...]]:
        """`strongest_paths`; no paths, and `absent` says why, where the graph cannot be asked."""
        if self._driver is None or self.absent or not heard:
            return {}
        from colisten.graph_store.inspection.paths import strongest_paths

        try:
            return strongest_paths(self._driver, self._database, heard, wanted, paths=count)
        except GraphError as error:
            self.absent = str(error)
            return {}

    def view(self, item_id: str, count: int) -> ItemView | None:
        """The item with its `count` strongest neighbours of each type; None where the graph has no such item.

        Raises:
            GraphError: the graph cannot be asked.
        """
        if self._driver is None or self.absent:
            raise GraphError(self.absent or "Neo4j was not asked.")
        from colisten.graph_store.inspection.show import show_item

        try:
            return show_item(self._driver, self._database, item_id, k=count)
        except GraphError as error:
            self.absent = str(error)
            raise


@contextmanager
def _no_data_frames() -> Iterator[None]:
    """The driver imports pandas wherever it is installed, which takes longer than the whole answer; nobody needs it."""
    hidden = "pandas" not in sys.modules
    if hidden:
        sys.modules["pandas"] = None  # type: ignore[assignment]  # documented: an import of it then fails
    try:
        yield
    finally:
        if hidden:
            del sys.modules["pandas"]
