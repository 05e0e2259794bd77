"""A Neo4j endpoint: address, credentials, and a driver that has been checked to work."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit

from neo4j import Driver, GraphDatabase
from neo4j.exceptions import (
    ConfigurationError,
    DriverError,
    Neo4jError,
    UnsupportedServerProduct,
)
from pydantic import SecretStr

from colisten.errors import GraphError

_OLDEST = (5, 26)
"""The first Neo4j whose Cypher takes names of relationship types from data."""
SECONDS_WITHOUT_A_SIGN = 10
"""After which a server counts as frozen. The managed one's `neo4j.conf` has it give a sign of life more often."""


@dataclass(frozen=True)
class Endpoint:
    """How to reach a server. Small and picklable: a worker process opens its own driver from it."""

    uri: str
    user: str
    password: SecretStr

    @property
    def place(self) -> str:
        """The address without any credentials, fit to be shown."""
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class UnreachableError(GraphError):
    """No server answers."""


class FrozenError(UnreachableError):
    """A server takes connections and does not answer."""


class ClosedError(GraphError):
    """A server answers, and its database is not open: not yet, or no longer."""


class BrokenStoreError(ClosedError):
    """A server answers, and has given up opening its database."""


def connect(endpoint: Endpoint, database: str | None = None, *, patience: float = SECONDS_WITHOUT_A_SIGN) -> Driver:
    """Open a driver and check by one exchange that the server answers, knows the user (and the database) and is new
    enough.

    Args:
        endpoint: where it is.
        database: what it must know; None: whatever it has.
        patience: seconds for which the driver waits for each connection, now and later; it tries nothing twice, see
            `failures.retried`.

    Raises:
        FrozenError: a server takes the connection and says nothing.
        UnreachableError: no server answers.
        GraphError: it is not, does not or cannot; the sentence never shows the password.
    """
    driver = _driver(endpoint, patience)
    try:
        with driver.session(database=database) as session:
            _check_version(session.run("RETURN 1").consume().server.agent, endpoint)
    except (DriverError, Neo4jError) as error:
        driver.close()
        raise _kind(error, endpoint, database) from error
    except GraphError:
        driver.close()
        raise
    return driver


def _driver(endpoint: Endpoint, patience: float) -> Driver:
    try:
        return GraphDatabase.driver(
            endpoint.uri,
            auth=(endpoint.user, endpoint.password.get_secret_value()),
            user_agent=f"colisten/{version('colisten')}",
            connection_timeout=patience,
            connection_acquisition_timeout=patience,
            max_transaction_retry_time=0,
            # That a label does not exist yet or a query plan is dear is no news to the user of a command.
            notifications_min_severity="OFF",
            telemetry_disabled=True,
        )
    except (ConfigurationError, ValueError) as error:
        raise GraphError(
            f"{endpoint.place!r} is not the address of a Neo4j server: set neo4j.uri to something like "
            "neo4j://host:7687 (neo4j+s:// for an encrypted one)."
        ) from error


def _check_version(agent: str, endpoint: Endpoint) -> None:
    numbers = agent.partition("/")[2].split(".")[:2]
    if all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) < _OLDEST:
        raise GraphError(_too_old(endpoint))


def _too_old(endpoint: Endpoint) -> str:
    return (
        f"The server at {endpoint.place} is not a Neo4j of version {_OLDEST[0]}.{_OLDEST[1]} or newer: upgrade it, "
        "or leave neo4j.uri empty to use the managed one."
    )


def is_silent(error: BaseException | None) -> bool:
    """Whether an error of the driver comes from a server that was asked and gave no sign of life in its time."""
    return error is not None and (isinstance(error, TimeoutError) or is_silent(error.__cause__))


def _gave_up(endpoint: Endpoint) -> bool:
    """Whether some database of the server could not be opened, rather than not yet."""
    with _driver(endpoint, SECONDS_WITHOUT_A_SIGN) as driver:
        try:
            found = driver.execute_query("SHOW DATABASES YIELD currentStatus, statusMessage", database_="system")
            return any(status == "offline" and told for status, told in found.records)
        except (DriverError, Neo4jError):
            return False


def _kind(error: DriverError | Neo4jError, endpoint: Endpoint, database: str | None) -> GraphError:
    code = error.code or "" if isinstance(error, Neo4jError) else ""
    if isinstance(error, UnsupportedServerProduct | ConfigurationError):
        return GraphError(_too_old(endpoint))
    if ".Security." in code:
        return GraphError(
            f"Neo4j at {endpoint.place} does not let in the user {endpoint.user!r} with this password: "
            "check neo4j.user and COLISTEN_NEO4J_PASSWORD."
        )
    if code.endswith("DatabaseNotFound"):
        return GraphError(f"Neo4j at {endpoint.place} has no database {database!r}: create it, or set neo4j.database.")
    if code.endswith("DatabaseUnavailable"):
        return (BrokenStoreError if _gave_up(endpoint) else ClosedError)(
            f"Neo4j at {endpoint.place} runs, but its database did not come up: its logs tell why; if it is the "
            "managed one, `colisten run` builds the graph anew."
        )
    if is_silent(error):
        return FrozenError(
            f"Neo4j at {endpoint.place} takes connections and does not answer, as if it were frozen: end it (`colisten "
            "db stop` ends the managed one) and run again."
        )
    return UnreachableError(f"No Neo4j answers at {endpoint.place}: check that it runs and that neo4j.uri is right.")
