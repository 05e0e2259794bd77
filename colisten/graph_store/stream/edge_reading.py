"""Edges read from Neo4j: whole rows of some items, or all edges, each once.

What comes is checked here, once: compiled code uses it as places in arrays and checks nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.graph_store.schema import quoted
from colisten.graph_store.stream.adjacency import Ragged
from colisten.graph_store.stream.bolt import Reader, ranges
from colisten.graph_store.stream.csr import EdgeArrays
from colisten.graph_store.stream.metadata import GraphMetadata
from colisten.ragged import offsets

_AT_ONCE = 50_000
_SPARSE = 4


def count_edges(reader: Reader, metadata: GraphMetadata) -> int:
    """How many edges there are: a number that Neo4j keeps."""
    counts = (reader.read(f"MATCH ()-[r:{quoted(name)}]->() RETURN count(r)") for name in metadata.relationships)
    return sum(rows[0][0] for rows in counts)


def read_edges(reader: Reader, metadata: GraphMetadata) -> Generator[EdgeArrays, None, None]:
    """All edges, each once, in pieces.

    Relationships are looked up by their own numbers, in storage order, which touches nothing but the relationship. On
    a store format that leaves most numbers unused, nodes are looked up instead.

    Raises:
        GraphError: an edge leads to a node that is no item, or has no finite weight.
    """
    if not metadata.relationships:
        return
    pattern, edges = metadata.pattern, count_edges(reader, metadata)
    query = "UNWIND range($low, $high - 1) AS i MATCH "
    last = max(_last_number(reader, name) for name in metadata.relationships)
    if last < _SPARSE * edges + _AT_ONCE:
        query += f"(a)-[r:{pattern}]->(b) WHERE id(r) = i"
        parts = ranges(last + 1, _AT_ONCE)
    else:
        query += f"(a) WHERE id(a) = i MATCH (a)-[r:{pattern}]->(b)"
        parts = ranges(len(metadata.item_of), 1 + _AT_ONCE * len(metadata.item_of) // edges)
    for rows in reader.read_many(query + " RETURN collect(id(a)), collect(id(b)), collect(r.weight)", parts):
        [[src, dst, weight]] = rows
        yield _items(metadata, src), _items(metadata, dst), _weights(metadata, weight, len(src))


def read_rows(reader: Reader, metadata: GraphMetadata, items: Int64s, length: Int64s) -> Ragged:
    """Whole rows, in the order of `items`, by one query; each row's neighbours in any order.

    Raises:
        GraphError: see `read_edges`; or rows are not as long as `length`.
    """
    query = (
        "UNWIND range(0, size($ids) - 1) AS place MATCH (a) WHERE id(a) = $ids[place] "
        f"MATCH (a)-[r:{metadata.pattern}]-(b) RETURN collect(place), collect(id(b)), collect(r.weight)"
    )
    [[places, others, weights]] = reader.read(query, ids=metadata.node_id[items].tolist())
    place = np.fromiter(places, np.int64, len(places))
    if not np.array_equal(np.bincount(place, minlength=len(items)), length):
        raise metadata.changed("an item has more or fewer edges")
    by_row = np.argsort(place, kind="stable")
    found = _items(metadata, others), _weights(metadata, weights, len(others))
    return Ragged(offsets(length), found[0][by_row], found[1][by_row])


def _items(metadata: GraphMetadata, nodes: list[int]) -> Int32s:
    return metadata.items(np.fromiter(nodes, np.int64, len(nodes)))


def _weights(metadata: GraphMetadata, given: list[Any], count: int) -> Floats:
    """Cypher leaves out of a list what is not there, so that its length tells."""
    if len(given) == count:
        try:
            with np.errstate(over="ignore"):  # too large a number becomes infinite
                found = np.fromiter(given, np.float32, count)
        except (TypeError, ValueError):
            found = np.full(1, np.nan, np.float32)
        if np.isfinite(found).all():
            return found
    raise metadata.changed("an edge has no finite number as its weight")


def _last_number(reader: Reader, name: str) -> int:
    """The largest number of a relationship of one type: the index of types is in this order, so nothing is scanned."""
    rows = reader.read(f"MATCH ()-[r:{quoted(name)}]->() WITH r ORDER BY r DESC LIMIT 1 RETURN id(r)")
    return int(rows[0][0]) if rows else -1
