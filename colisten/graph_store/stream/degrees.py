"""Degrees of all items: numbers that Neo4j keeps, relationship type by relationship type; where there are many types,
counted from the edges themselves."""

from __future__ import annotations

import numpy as np

from colisten.arrays import Int32s, Int64s
from colisten.graph_store.schema import quoted
from colisten.graph_store.stream.bolt import Reader
from colisten.graph_store.stream.csr import count_ends
from colisten.graph_store.stream.edge_reading import read_edges
from colisten.graph_store.stream.metadata import GraphMetadata

_AT_ONCE = 5_000
_MOST_COUNTED = 100
"""Relationship types up to which each is asked for by itself."""


def read_degrees(reader: Reader, metadata: GraphMetadata) -> Int32s:
    """[items, relations × node types] neighbours in each group."""
    types = len(metadata.node_types)
    degrees = np.zeros((len(metadata.node_type), len(metadata.relations) * types), np.int32)
    if sum(len(kinds.names) for kinds in metadata.relationships) > _MOST_COUNTED:
        for edges in read_edges(reader, metadata):
            count_ends(degrees, metadata.node_type, types, edges)
        return degrees
    ends = {
        name: (relation * types, _ends(reader, name, metadata))
        for relation, kinds in enumerate(metadata.relationships)
        for name in kinds.names
    }
    for code in range(types):
        others = {name: first + sum(pair) - code for name, (first, pair) in ends.items() if code in pair}
        if others:
            _count_neighbours(reader, metadata, np.flatnonzero(metadata.node_type == code), others, degrees)
    return degrees


def _count_neighbours(
    reader: Reader, metadata: GraphMetadata, items: Int64s, others: dict[str, int], degrees: Int32s
) -> None:
    """Add to the rows of `items`, all of one node type, in the columns that `others` gives each relationship type."""
    counts = ", ".join(f"collect(COUNT {{ (n)-[:{quoted(name)}]-() }})" for name in others)
    query = f"UNWIND $ids AS i MATCH (n) WHERE id(n) = i RETURN {counts}"
    pieces = np.array_split(items, 1 + len(items) // _AT_ONCE)
    asked = ({"ids": metadata.node_id[piece].tolist()} for piece in pieces)
    for piece, rows in zip(pieces, reader.read_many(query, asked), strict=True):
        for other, count in zip(others.values(), rows[0], strict=True):
            if len(count) != len(piece):
                raise metadata.changed("an item is gone")
            degrees[piece, other] += np.array(count, np.int32)


def _ends(reader: Reader, name: str, metadata: GraphMetadata) -> tuple[int, int]:
    """The node types that a relationship type joins, read off one of its relationships."""
    rows = reader.read(f"MATCH (a)-[:{quoted(name)}]->(b) RETURN id(a), id(b) LIMIT 1")
    if not rows:
        raise metadata.changed(f"{name} has no edge left")
    src, dst = metadata.node_type[metadata.items(np.array(rows[0]))].tolist()
    return src, dst
