"""What is read of a graph before any edge: its version, node types and degrees, and where its nodes lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Codes, Int32s, Int64s
from colisten.errors import GraphError
from colisten.graph_store.schema import GRAPH, ITEM, PREFIX, quoted
from colisten.graph_store.stream.bolt import Reader, ranges

_AT_ONCE = 5_000


@dataclass(frozen=True)
class Catalogue:
    """The nodes of a graph, and which relationships join them."""

    version: str
    relationships: tuple[str, ...]
    """The relationship types that carry edges, each between one pair of item types."""
    node_types: tuple[str, ...]
    node_type: Codes
    node_id: Int64s
    """[items] Neo4j's own number of each node: finding a node by it costs no index."""
    item_of: Int32s
    """[largest node id + 1] the other way round; -1 where no item is."""

    @property
    def pattern(self) -> str:
        """All relationship types, as Cypher writes alternatives."""
        return "|".join(map(quoted, self.relationships))


def read_version(reader: Reader) -> str | None:
    """The version of the graph; None while there is none, or one that is not loaded to its end."""
    rows = reader.read(f"MATCH (g:{GRAPH}) WHERE coalesce(g.complete, true) RETURN toString(g.version)")
    return rows[0][0] if rows else None


def read_catalogue(reader: Reader, node_type: Codes | None = None, node_types: tuple[str, ...] = ()) -> Catalogue:
    """Read it over all connections. Without `node_type`, an item's type is its label beside `Item`.

    Raises:
        GraphError: there is no graph, its items are not numbered 0 … n - 1, or it has other items than `node_type`.
    """
    version = read_version(reader)
    items = int(reader.read(f"MATCH (n:{ITEM}) RETURN count(n)")[0][0])
    if version is None or not items:
        raise GraphError("Neo4j holds no whole co-listening graph: run `colisten graph build` first.")
    if node_type is None:
        node_type, node_types = _read_node_types(reader, items)
    if len(node_type) != items:
        raise GraphError(f"Neo4j holds {items} items, the data {len(node_type)}: run `colisten graph build` again.")
    node_id = np.full(items, -1, np.int64)
    query = f"MATCH (n:{ITEM}) WHERE $low <= n.item < $high RETURN collect(n.item), collect(id(n))"
    for rows in reader.read_many(query, ranges(items, _AT_ONCE)):
        node_id[rows[0][0]] = rows[0][1]
    if node_id.min() < 0:
        raise GraphError("The items in Neo4j are not numbered without gaps: run `colisten graph build` again.")
    item_of = np.full(int(node_id.max()) + 1, -1, np.int32)
    item_of[node_id] = np.arange(items)
    return Catalogue(version, _relationships(reader), node_types, node_type, node_id, item_of)


def read_degrees(reader: Reader, catalogue: Catalogue) -> Int32s:
    """[items, node types] how many neighbours of each type; Neo4j keeps these numbers for nodes with many."""
    degrees = np.zeros((len(catalogue.node_type), len(catalogue.node_types)), np.int32)
    ends = [_ends(reader, name, catalogue.node_type) for name in catalogue.relationships]
    counts = ", ".join(f"COUNT {{ (n)-[:{quoted(name)}]-() }}" for name in catalogue.relationships)
    query = f"UNWIND $ids AS i MATCH (n) WHERE id(n) = i RETURN {counts}"
    pieces = np.array_split(np.arange(len(degrees)), 1 + len(degrees) // _AT_ONCE) if ends else []
    asked = ({"ids": catalogue.node_id[items].tolist()} for items in pieces)
    for items, rows in zip(pieces, reader.read_many(query, asked), strict=True):
        for (first, second), count in zip(ends, np.array(rows, np.int32).T, strict=True):
            degrees[items, np.where(catalogue.node_type[items] == first, second, first)] += count
    return degrees


def _relationships(reader: Reader) -> tuple[str, ...]:
    names = [row[0] for row in reader.read("CALL db.relationshipTypes()") if row[0].startswith(PREFIX)]
    return tuple(sorted(name for name in names if reader.read(f"MATCH ()-[r:{quoted(name)}]->() RETURN 1 LIMIT 1")))


def _ends(reader: Reader, name: str, node_type: Codes) -> tuple[int, int]:
    """The node types that a relationship type joins, told by one of its relationships."""
    src, dst = reader.read(f"MATCH (a)-[:{quoted(name)}]->(b) RETURN a.item, b.item LIMIT 1")[0]
    return int(node_type[src]), int(node_type[dst])


def _read_node_types(reader: Reader, items: int) -> tuple[Codes, tuple[str, ...]]:
    query = f"MATCH (n:{ITEM}) UNWIND labels(n) AS label WITH DISTINCT label WHERE label <> '{ITEM}' RETURN label"
    labels = sorted(row[0] for row in reader.read(query))
    codes = np.zeros(items, np.uint8)
    query = (
        f"MATCH (n:{ITEM}) WHERE $low <= n.item < $high "
        "RETURN collect(n.item), collect([k IN range(0, size($labels) - 1) WHERE $labels[k] IN labels(n)][0])"
    )
    for rows in reader.read_many(query, [part | {"labels": labels} for part in ranges(items, _AT_ONCE)]):
        codes[rows[0][0]] = rows[0][1]
    return codes, tuple(labels)
