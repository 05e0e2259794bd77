"""Paths, links and neighbourhoods from Neo4j, which is used if it runs, never started, and may be missing."""

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

    from colisten.graph_store.inspection.links import Link
    from colisten.graph_store.inspection.paths import GraphPath
    from colisten.graph_store.inspection.show import ItemView

_TIMEOUT = 2.0
"""Seconds to wait for a Neo4j that no longer answers, while a user waits for a recommendation."""


class PathFinder:
    """Finds what joins items in the graph.

    `unavailable` says why it cannot; None while it can. After a first failure Neo4j is not queried again.
    """

    def __init__(self, driver: Driver | None, database: str, unavailable: str | None) -> None:
        self.unavailable = unavailable
        self._driver = driver
        self._database = database

    @classmethod
    def open(cls, workdir: Workdir, settings: Settings) -> Self:
        """Connect to Neo4j if it runs."""
        with _without_pandas():
            from colisten.graph_store.connection import running_endpoint
            from colisten.graph_store.endpoint import connect
        database = settings.neo4j.database
        try:
            endpoint = running_endpoint(settings, workdir)
            if endpoint is None:
                return cls(None, database, f"Neo4j is not running: `colisten db start -w {workdir.root}` starts it.")
            return cls(connect(endpoint, database, patience=_TIMEOUT), database, None)
        except GraphError as error:
            return cls(None, database, str(error))

    def close(self) -> None:
        if self._driver:
            self._driver.close()

    def paths(self, heard: Sequence[int], wanted: Sequence[int], count: int) -> dict[int, tuple[GraphPath, ...]]:
        """The `count` strongest paths from `heard` to each item in `wanted`; none if Neo4j is not available."""
        if self._driver is None or self.unavailable or not heard:
            return {}
        from colisten.graph_store.inspection.paths import strongest_paths

        try:
            return strongest_paths(self._driver, self._database, heard, wanted, paths=count)
        except GraphError as error:
            self.unavailable = str(error)
            return {}

    def links(self, heard: Sequence[int], wanted: Sequence[int]) -> dict[int, tuple[Link, ...]]:
        """The strongest edge of each other relation from `heard` to each item in `wanted`; none without Neo4j."""
        if self._driver is None or self.unavailable or not heard:
            return {}
        from colisten.graph_store.inspection.links import direct_links

        try:
            return direct_links(self._driver, self._database, heard, wanted)
        except GraphError as error:
            self.unavailable = str(error)
            return {}

    def neighbourhood(self, item_id: str, count: int) -> ItemView | None:
        """The item with its `count` strongest neighbours of each type; None if the graph has no such item.

        Raises:
            GraphError: Neo4j is not available.
        """
        if self._driver is None or self.unavailable:
            raise GraphError(self.unavailable or "Neo4j is not connected.")
        from colisten.graph_store.inspection.show import show_item

        try:
            return show_item(self._driver, self._database, item_id, k=count)
        except GraphError as error:
            self.unavailable = str(error)
            raise


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Hide pandas: the driver imports it wherever it is installed, which takes longer than the whole answer."""
    hidden = "pandas" not in sys.modules
    if hidden:
        sys.modules["pandas"] = None  # type: ignore[assignment]  # as documented, importing it then fails
    try:
        yield
    finally:
        if hidden:
            del sys.modules["pandas"]
