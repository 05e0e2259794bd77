"""All edges out of Neo4j into a snapshot: every edge read once, side by side, in bounded memory."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from colisten.arrays import Codes
from colisten.errors import GraphError
from colisten.graph_store.endpoint import Endpoint
from colisten.graph_store.stream.bolt import Reader
from colisten.graph_store.stream.csr import EdgeArrays
from colisten.graph_store.stream.degrees import read_degrees
from colisten.graph_store.stream.edge_reading import count_edges, read_edges
from colisten.graph_store.stream.metadata import (
    GraphMetadata,
    read_metadata,
    read_relations,
    read_version,
)
from colisten.graph_store.stream.snapshot import SnapshotAdjacency, write_snapshot
from colisten.progress import Progress, Task


def export_snapshot(
    endpoint: Endpoint, folder: Path, progress: Progress, *, node_type: Codes | None = None,
    node_types: tuple[str, ...] = (), relations: tuple[str, ...] | None = None, connections: int = 4,
    database: str = "neo4j",
) -> SnapshotAdjacency:  # fmt: skip
    """The snapshot in `folder`, exported anew only if it is not of the graph's version, these node types and relations.

    `relations`: None for all that the graph has.

    Raises:
        GraphError: the graph is not there (see `read_metadata`) or changed meanwhile.
    """
    reader = Reader(endpoint, database=database, connections=connections)
    try:
        relations = read_relations(reader) if relations is None else relations
        found = _current(folder, reader, node_type, node_types, relations)
        if found is not None:
            return found
        metadata = read_metadata(reader, node_type, node_types, relations)
        degrees = read_degrees(reader, metadata)
        with progress.task("exporting the graph", total=count_edges(reader, metadata)) as task:
            return write_snapshot(
                folder, _watched(reader, metadata, task), degrees=degrees, node_type=metadata.node_type,
                node_types=metadata.node_types, relations=metadata.relations, version=metadata.version,
            )  # fmt: skip
    finally:
        reader.close()


def _watched(reader: Reader, metadata: GraphMetadata, task: Task) -> Generator[EdgeArrays, None, None]:
    """All edges, or an error at the end if another graph was built meanwhile."""
    for edges in read_edges(reader, metadata):
        task.advance(len(edges.src))
        yield edges
    if read_version(reader) != metadata.version:
        raise metadata.changed("another was built")


def _current(
    folder: Path, reader: Reader, node_type: Codes | None, node_types: tuple[str, ...], relations: tuple[str, ...]
) -> SnapshotAdjacency | None:
    try:
        found = SnapshotAdjacency.open(folder)
    except GraphError:
        return None
    same = found.version == read_version(reader) and found.relations == relations
    if node_type is not None:
        same = same and found.node_types == node_types and np.array_equal(found.node_type, node_type)
    return found if same else None
