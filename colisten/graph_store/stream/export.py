"""All edges out of Neo4j into a snapshot: every edge read once, side by side, in bounded memory."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from colisten.arrays import Codes
from colisten.errors import GraphError
from colisten.graph_store.endpoint import Endpoint
from colisten.graph_store.schema import quoted
from colisten.graph_store.stream.bolt import Reader, ranges
from colisten.graph_store.stream.catalogue import Catalogue, read_catalogue, read_version
from colisten.graph_store.stream.snapshot import EdgeArrays, SnapshotAdjacency, write_snapshot
from colisten.progress import Progress, Task

_AT_ONCE = 20_000
_SPARSE = 4


def export_snapshot(
    endpoint: Endpoint, folder: Path, progress: Progress, *, node_type: Codes | None = None,
    node_types: tuple[str, ...] = (), connections: int = 4, database: str = "neo4j",
) -> SnapshotAdjacency:  # fmt: skip
    """The snapshot in `folder`, exported anew only if it is not of the graph's version and these node types.

    Raises:
        GraphError: the graph is not there (see `read_catalogue`) or changed meanwhile.
    """
    reader = Reader(endpoint, database=database, connections=connections)
    try:
        found = _current(folder, reader, node_type, node_types)
        if found is not None:
            return found
        catalogue = read_catalogue(reader, node_type, node_types)
        with progress.task("exporting the graph", total=count_edges(reader, catalogue)) as task:
            return write_snapshot(
                folder, _watched(reader, catalogue, task), node_type=catalogue.node_type,
                node_types=catalogue.node_types, version=catalogue.version,
            )  # fmt: skip
    finally:
        reader.close()


def _watched(reader: Reader, catalogue: Catalogue, task: Task) -> Generator[EdgeArrays, None, None]:
    """All edges, or an error at the end if they are not those of one graph."""
    left = count_edges(reader, catalogue)
    for edges in read_edges(reader, catalogue):
        left -= len(edges[0])
        task.advance(len(edges[0]))
        yield edges
    if left or read_version(reader) != catalogue.version:
        raise GraphError("The graph changed while it was being exported: run the export again.")


def count_edges(reader: Reader, catalogue: Catalogue) -> int:
    """How many edges there are: a number that Neo4j keeps."""
    counts = (reader.read(f"MATCH ()-[r:{quoted(name)}]->() RETURN count(r)") for name in catalogue.relationships)
    return sum(rows[0][0] for rows in counts)


def _current(
    folder: Path, reader: Reader, node_type: Codes | None, node_types: tuple[str, ...]
) -> SnapshotAdjacency | None:
    try:
        found = SnapshotAdjacency.open(folder)
    except GraphError:
        return None
    same = found.version == read_version(reader)
    if node_type is not None:
        same = same and found.node_types == node_types and np.array_equal(found.node_type, node_type)
    return found if same else None


def read_edges(reader: Reader, catalogue: Catalogue) -> Generator[EdgeArrays, None, None]:
    """All edges, each once, in pieces.

    Relationships are looked up by their own numbers, in storage order, which touches nothing but the relationship. On
    a store format that leaves most numbers unused, nodes are looked up instead.
    """
    if not catalogue.relationships:
        return
    pattern, edges = catalogue.pattern, count_edges(reader, catalogue)
    query = "UNWIND range($low, $high - 1) AS i MATCH "
    last = max(_last_number(reader, name) for name in catalogue.relationships)
    if last < _SPARSE * edges + _AT_ONCE:
        query += f"(a)-[r:{pattern}]->(b) WHERE id(r) = i"
        parts = ranges(last + 1, _AT_ONCE)
    else:
        query += f"(a) WHERE id(a) = i MATCH (a)-[r:{pattern}]->(b)"
        parts = ranges(len(catalogue.item_of), 1 + _AT_ONCE * len(catalogue.item_of) // edges)
    for rows in reader.read_many(query + " RETURN collect(id(a)), collect(id(b)), collect(r.weight)", parts):
        src, dst, weight = rows[0]
        count = len(src)
        yield (
            catalogue.item_of[np.fromiter(src, np.int64, count)],
            catalogue.item_of[np.fromiter(dst, np.int64, count)],
            np.fromiter(weight, np.float32, count),
        )


def _last_number(reader: Reader, name: str) -> int:
    """The largest number of a relationship of one type: the index of types is in this order, so nothing is scanned."""
    rows = reader.read(f"MATCH ()-[r:{quoted(name)}]->() WITH r ORDER BY r DESC LIMIT 1 RETURN id(r)")
    return int(rows[0][0]) if rows else -1
