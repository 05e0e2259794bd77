"""Reading from Neo4j side by side: one lazily opened driver per process, as many sessions as threads ask for."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from neo4j import READ_ACCESS, Driver
from neo4j.exceptions import DriverError, Neo4jError

from colisten.errors import GraphError
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.failures import retried
from colisten.prefetch import prefetch_map


class Reader:
    """Runs read queries. Picklable, of use on both sides of a fork: a driver belongs to the process it opened in."""

    def __init__(self, endpoint: Endpoint, *, database: str = "neo4j", connections: int = 4) -> None:
        self.endpoint = endpoint
        self.database = database
        self.connections = connections
        self._clear()

    def _clear(self) -> None:
        self._opening = threading.Lock()
        self._driver: Driver | None = None
        self._process = os.getpid()

    def __getstate__(self) -> tuple[Endpoint, str, int]:
        return self.endpoint, self.database, self.connections

    def __setstate__(self, state: tuple[Endpoint, str, int]) -> None:
        self.endpoint, self.database, self.connections = state
        self._clear()

    def read(self, query: str, **parameters: Any) -> list[list[Any]]:
        """All rows of a query. A server that goes away meanwhile is waited for (see `failures.retried`).

        Raises:
            GraphError: the server cannot be reached, has frozen or refuses.
        """

        def ask() -> list[list[Any]]:
            with driver.session(database=self.database, default_access_mode=READ_ACCESS, fetch_size=-1) as session:
                return session.run(query, parameters).values()

        driver = self._open()
        try:
            return retried(ask)
        except (DriverError, Neo4jError) as error:
            place = self.endpoint.place
            raise GraphError(f"Reading from Neo4j at {place} failed: check that it runs, then run again.") from error

    def read_many(self, query: str, parameters: Iterable[dict[str, Any]]) -> Generator[list[list[Any]], None, None]:
        """The rows of one query for each set of `parameters`, in order, over all connections."""
        return prefetch_map(
            lambda given: self.read(query, **given),
            parameters,
            threads=self.connections,
            depth=self.connections + 2,
        )

    def close(self) -> None:
        """Close the driver of this process; a later read opens a new one."""
        if self._driver is not None and self._process == os.getpid():
            self._driver.close()
        self._clear()

    def _open(self) -> Driver:
        if self._process != os.getpid():
            self._clear()
        with self._opening:
            if self._driver is None:
                self._driver = connect(self.endpoint)
            return self._driver


def ranges(end: int, step: int) -> Sequence[dict[str, int]]:
    """`low`, `high` of consecutive ranges that cover 0 … `end` - 1."""
    return [{"low": low, "high": min(low + step, end)} for low in range(0, end, step)]
