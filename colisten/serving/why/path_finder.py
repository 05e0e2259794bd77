"""Evidence and neighbourhoods from Neo4j, which is used if it runs, never started, and may be missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Self

from colisten.errors import GraphError
from colisten.settings import Settings
from colisten.workdir import Workdir

if TYPE_CHECKING:
    from neo4j import Driver

    from colisten.graph_store.inspection.links import Link
    from colisten.graph_store.inspection.paths import GraphPath
    from colisten.graph_store.inspection.show import ItemView

_SECONDS_TO_CONNECT = 4.0
"""To wait for a Neo4j that does not answer, while a user waits for a recommendation."""


@dataclass(frozen=True)
class Evidence:
    """What the graph says of some items and a history."""

    paths: Mapping[int, tuple[GraphPath, ...]] = field(default_factory=dict)
    """The strongest paths to each item from the history."""
    links: Mapping[int, tuple[Link, ...]] = field(default_factory=dict)
    """The strongest edge of each other relation to each item from the history."""
    unavailable: str | None = None
    """Why there is none, where Neo4j could not be asked."""


class PathFinder:
    """Finds what joins items in the graph.

    `unavailable` says why it cannot; None while it can. After a first failure Neo4j is not queried again; that it holds
    no graph yet is none.
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
                return cls(
                    None,
                    database,
                    f"Neo4j is not running: `colisten db start -w {quote(str(workdir.root))}` starts it.",
                )
            return cls(connect(endpoint, database, patience=_SECONDS_TO_CONNECT), database, None)
        except GraphError as error:
            return cls(None, database, str(error))

    def close(self) -> None:
        if self._driver:
            self._driver.close()

    def evidence(self, heard: Sequence[int], wanted: Sequence[int], paths: int = 3) -> Evidence:
        """What joins each item in `wanted` to those in `heard`, `paths` paths each; nothing without Neo4j."""
        if self._driver is None or self.unavailable or not heard:
            return Evidence(unavailable=self.unavailable)
        from colisten.graph_store.inspection.links import direct_links
        from colisten.graph_store.inspection.paths import strongest_paths
        from colisten.graph_store.marker import NoGraphError

        try:
            return Evidence(
                strongest_paths(self._driver, self._database, heard, wanted, paths=paths),
                direct_links(self._driver, self._database, heard, wanted),
            )
        except NoGraphError as error:
            return Evidence(unavailable=str(error))
        except GraphError as error:
            self.unavailable = str(error)
            return Evidence(unavailable=self.unavailable)

    def neighbourhood(self, item_id: str, count: int) -> ItemView | None:
        """The item with its `count` strongest neighbours of each type; None if the graph has no such item.

        Raises:
            GraphError: Neo4j is not available.
        """
        if self._driver is None or self.unavailable:
            raise GraphError(self.unavailable or "Neo4j is not connected.")
        from colisten.graph_store.inspection.show import show_item
        from colisten.graph_store.marker import NoGraphError

        try:
            return show_item(self._driver, self._database, item_id, k=count)
        except NoGraphError:
            raise
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
