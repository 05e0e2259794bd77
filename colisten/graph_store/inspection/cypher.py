"""Any question in Cypher, answered in a transaction that cannot write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neo4j import READ_ACCESS, Driver, ManagedTransaction
from neo4j.exceptions import ClientError, Neo4jError
from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import Point
from neo4j.time import Date, DateTime, Duration, Time

from colisten.errors import GraphError
from colisten.graph_store.failures import as_graph_error
from colisten.graph_store.inspection.guard import check_reads_the_graph_only

_WRITES = "Neo.ClientError.Statement.AccessMode"


@dataclass(frozen=True)
class Answer:
    """A table: every value is made of what JSON knows."""

    columns: tuple[str, ...]
    rows: list[list[Any]]


def run_cypher(driver: Driver, database: str, query: str, parameters: Mapping[str, Any] | None = None) -> Answer:
    """Ask `query` with `parameters` in a read transaction: the server refuses whatever would write, and what would
    read more than the graph is not even sent (see `guard`).

    Nodes become `{"labels", "properties"}`, relationships `{"type", "properties"}`, paths
    `{"nodes", "relationships"}`, times ISO 8601 texts.

    Raises:
        GraphError: the query would write or read more than the graph, is not understood, or fails.
    """
    check_reads_the_graph_only(query)
    with as_graph_error("the query ran"), driver.session(database=database, default_access_mode=READ_ACCESS) as session:
        try:
            return session.execute_read(_ask, query, dict(parameters or {}))
        except ClientError as error:
            raise GraphError(_sentence(error)) from error


def _ask(transaction: ManagedTransaction, query: str, parameters: dict[str, Any]) -> Answer:
    result = transaction.run(query, parameters)
    return Answer(tuple(result.keys()), [[to_plain(value) for value in record] for record in result])


def _sentence(error: Neo4jError) -> str:
    if error.code == _WRITES:
        return "This query would write, and queries here only read: use cypher-shell to change the graph by hand."
    message = " ".join((error.message or str(error)).split())
    return f"Neo4j does not accept the query: {message.rstrip('.')}."


def to_plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    match value:
        case Node():
            return {"labels": sorted(value.labels), "properties": to_plain(dict(value))}
        case Relationship():
            return {"type": value.type, "properties": to_plain(dict(value))}
        case Path():
            return {"nodes": to_plain(value.nodes), "relationships": to_plain(value.relationships)}
        case Date() | DateTime() | Time() | Duration():
            return value.iso_format()
        case Point():
            return {"srid": value.srid, "coordinates": list(value)}
        case Mapping():
            return {key: to_plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [to_plain(inner) for inner in value]
        case bytes():
            return value.hex()
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
