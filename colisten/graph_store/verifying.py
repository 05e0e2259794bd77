"""Verification of a loaded graph: counts from the count store, and hashes computed by the server itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from neo4j import Driver, Record, Result

from colisten.errors import GraphError
from colisten.graph_store import fingerprint
from colisten.graph_store.edge_summary import EdgeSummary
from colisten.graph_store.marker import Marker
from colisten.graph_store.schema import (
    ITEM,
    TypeFilter,
    label_of,
    relationship_of,
    stored_relationships,
)
from colisten.progress import Progress

_EDGES_IN_PART, _EDGES_OF_TYPE = 50_000, 10
"""From which another part is worth its query, and, since each part tells of every type, how many of each type."""


def has_counts(driver: Driver, database: str, marker: Marker) -> bool:
    """Whether the numbers of items and edges are those of `marker`; takes no time, unless there are many edge types."""
    types = TypeFilter.of(marker.edges)
    edges = f"MATCH ()-[r{types.pattern}]->() {types.where('r')} RETURN count(r) AS found"
    queries = (f"MATCH (n:{ITEM}) RETURN count(n) AS found", edges)
    found = [driver.execute_query(query, types.parameters, database_=database).records[0]["found"] for query in queries]
    return found == [sum(marker.items.values()), sum(marker.edges.values())]


def stored_fingerprints(
    driver: Driver, database: str, relations: Iterable[str], *, connections: int, progress: Progress
) -> Counter[str]:
    """Relationship type → hash of the edges that the database holds of it, computed by the server."""
    (edges,) = driver.execute_query("MATCH ()-[r]->() RETURN count(r)", database_=database).records[0]
    types = TypeFilter(tuple(stored_relationships(driver, database, relations)))
    parts = min(4 * connections, 1 + edges // max(_EDGES_IN_PART, _EDGES_OF_TYPE * len(types.names)))
    query = f"""
        MATCH (a:{ITEM})-[r{types.pattern}]->(b:{ITEM}) {types.where("r", "a.item % $parts = $part")}
        {fingerprint.in_cypher("a", "r", "b")}
    """

    def part(number: int) -> list[Record]:
        given = {"part": number, "parts": parts, **types.parameters}
        return driver.execute_query(query, given, database_=database).records

    total: Counter[str] = Counter()
    with progress.task("checking edges in Neo4j", total=parts) as task, ThreadPoolExecutor(connections) as pool:
        for records in pool.map(part, range(parts)):
            total.update({record["kind"]: record["fingerprint"] for record in records})
            task.advance()
    return total


def verify(
    driver: Driver, database: str, marker: Marker, summary: EdgeSummary, relations: Iterable[str], *,
    connections: int, progress: Progress,
) -> None:  # fmt: skip
    """Compare the database with what was to be loaded, edge by edge through the hash.

    `relations`: all that may be in the database, to be loaded or not.

    Raises:
        GraphError: they differ.
    """
    query = f"MATCH (n:{ITEM}) UNWIND labels(n) AS label RETURN label, count(*) AS found"
    found = dict(driver.execute_query(query, database_=database, result_transformer_=Result.values))
    for item_type, wanted in marker.items.items():
        there = found.get(label_of(item_type), 0)
        if there != wanted:
            raise _differs(f"{there:,} items of the type {item_type!r} instead of {wanted:,}")
    wanted_edges: Counter[str] = Counter()
    for edge_type, hashed in summary.fingerprints.items():
        wanted_edges[relationship_of(edge_type)] += hashed
    stored = stored_fingerprints(driver, database, relations, connections=connections, progress=progress)
    if stored != wanted_edges or not has_counts(driver, database, marker):
        raise _differs("other edges than were computed")


def _differs(what: str) -> GraphError:
    return GraphError(
        f"After loading, Neo4j holds {what}: somebody else wrote to this graph; load again with --replace."
    )
