"""What the driver raises in the middle of work: as one sentence, or tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from neo4j import Driver, Record
from neo4j.exceptions import DriverError, Neo4jError, TransientError

from colisten.errors import GraphError, OutOfSpaceError
from colisten.graph_store.endpoint import is_silent

R = TypeVar("R")
_SECONDS_OF_TRIES = 30.0
"""In which a server has started anew."""
_PAUSE = 0.5
_READS = 5


def retried(transaction: Callable[[], R]) -> R:
    """The result of a whole transaction, which is repeated while its server starts anew or another one is in its way.

    A server that has frozen is not asked again.

    Raises:
        DriverError, Neo4jError: of the last try.
    """
    began: float | None = None
    while True:
        try:
            return transaction()
        except (DriverError, Neo4jError) as error:
            began = time.monotonic() if began is None else began
            late = time.monotonic() - began > _SECONDS_OF_TRIES
            if late or is_silent(error) or not error.is_retryable():
                raise
        time.sleep(_PAUSE)


def read_beside_a_load(driver: Driver, database: str, query: str, given: dict[str, Any]) -> list[Record]:
    """The records of a query; asked again where a load has just changed what it was reading.

    Raises:
        DriverError, Neo4jError: of the last try.
    """
    for _ in range(_READS - 1):
        with suppress(TransientError):
            return driver.execute_query(query, given, database_=database, routing_="r").records
    return driver.execute_query(query, given, database_=database, routing_="r").records


@contextmanager
def as_graph_error(doing: str) -> Iterator[None]:
    """Turn errors of the driver and the server, raised while `doing` something, into a GraphError."""
    try:
        yield
    except DriverError as error:
        if is_silent(error):
            raise GraphError(
                f"Neo4j stopped answering while {doing}, as if it were frozen: end it (`colisten db stop` ends the "
                "managed one) and repeat the command, which goes on where it was."
            ) from error
        raise GraphError(
            f"The connection to Neo4j broke while {doing}: check that it runs and repeat the command, which goes on "
            "where it was."
        ) from error
    except Neo4jError as error:
        message = (error.message or str(error)).splitlines()[0].rstrip(".")
        if "No space left" in message:
            raise OutOfSpaceError(f"Neo4j's disk filled up while {doing}: free some space and run again.") from error
        raise GraphError(f"Neo4j refused while {doing}: {message}.") from error
