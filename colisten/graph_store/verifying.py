"""Verification of a loaded graph: counts from the count store, and hashes computed by the server itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from neo4j import Driver, Record

from colisten.errors import GraphError
from colisten.graph_store import fingerprint
from colisten.graph_store.edge_summary import EdgeSummary
from colisten.graph_store.marker import Marker
from colisten.graph_store.schema import (
    ITEM,
    alternatives,
    label_of,
    pattern_of,
    quoted,
    relationship_of,
    stored_relationships,
)
from colisten.progress import Progress


def has_counts(driver: Driver, database: str, marker: Marker) -> bool:
    """Whether the numbers of items and edges are those of `marker`; takes no time, whatever the size."""
    edges = f"MATCH ()-[r:{pattern_of(marker.edges)}]->() RETURN count(r) AS found"
    queries = (f"MATCH (n:{ITEM}) RETURN count(n) AS found", edges)
    found = [driver.execute_query(query, database_=database).records[0]["found"] for query in queries]
    return found == [sum(marker.items.values()), sum(marker.edges.values())]


def stored_fingerprints(
    driver: Driver, database: str, relations: Iterable[str], *, connections: int, progress: Progress
) -> Counter[str]:
    """Relationship type → hash of the edges that the database holds of it, computed by the server."""
    parts = 4 * connections
    pattern = alternatives(stored_relationships(driver, database, relations))
    query = f"""
        MATCH (a:{ITEM})-[r:{pattern}]->(b:{ITEM}) WHERE a.item % $parts = $part
        {fingerprint.in_cypher("a", "r", "b")}
    """

    def part(number: int) -> list[Record]:
        return driver.execute_query(query, part=number, parts=parts, database_=database).records

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
    for item_type, wanted in marker.items.items():
        query = f"MATCH (n:{ITEM}:{quoted(label_of(item_type))}) RETURN count(n) AS found"
        found = driver.execute_query(query, database_=database).records[0]["found"]
        if found != wanted:
            raise _differs(f"{found:,} items of the type {item_type!r} instead of {wanted:,}")
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
