"""What the driver raises in the middle of work, as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neo4j.exceptions import DriverError, Neo4jError

from colisten.errors import GraphError, OutOfSpaceError


@contextmanager
def as_graph_error(doing: str) -> Iterator[None]:
    """Turn errors of the driver and the server, raised while `doing` something, into a GraphError."""
    try:
        yield
    except DriverError as error:
        raise GraphError(
            f"The connection to Neo4j broke while {doing}: check that it runs and repeat the command, which goes on "
            "where it was."
        ) from error
    except Neo4jError as error:
        message = (error.message or str(error)).splitlines()[0].rstrip(".")
        if "No space left" in message:
            raise OutOfSpaceError(f"Neo4j's disk filled up while {doing}: free some space and run again.") from error
        raise GraphError(f"Neo4j refused while {doing}: {message}.") from error
