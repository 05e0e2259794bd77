"""Graph metadata, read before any edge: version, node types, relations and degrees, and where the nodes lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Codes, Int32s, Int64s
from colisten.errors import GraphError
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.marker import ordered_relations
from colisten.graph_store.schema import GRAPH, ITEM, prefix_of, quoted
from colisten.graph_store.stream.bolt import Reader, ranges
from colisten.relations import check_relations

_AT_ONCE = 5_000


@dataclass(frozen=True)
class GraphMetadata:
    """The nodes of a graph in Neo4j, and which relationship types join them."""

    version: str
    relations: tuple[str, ...]
    relationships: tuple[tuple[str, ...], ...]
    """Per relation, the relationship types that carry its edges, each between one pair of item types."""
    node_types: tuple[str, ...]
    node_type: Codes
    node_id: Int64s
    """[items] Neo4j's own number of each node: finding a node by it costs no index."""
    item_of: Int32s
    """[largest node id + 1] the other way round; -1 where no item is."""

    def pattern(self, relation: int) -> str:
        """All relationship types of a relation (its place in `relations`), as Cypher writes alternatives."""
        return "|".join(map(quoted, self.relationships[relation]))

    def items(self, nodes: Int64s) -> Int32s:
        """The items behind Neo4j's numbers of nodes.

        Raises:
            GraphError: one is no item. Compiled code uses items as places in arrays, unchecked.
        """
        if nodes.max(initial=-1) < len(self.item_of):
            found = self.item_of[nodes]
            if found.min(initial=0) >= 0:
                return found
        raise self.changed("an edge leads to a node that is no item")

    def changed(self, reason: str) -> GraphError:
        """The error for an answer that does not fit what was read at first."""
        return GraphError(
            f"The graph in Neo4j is no longer version {self.version!r} that this run began with ({reason}): "
            "run again, or stream from a snapshot while the graph is being changed."
        )


def read_version(reader: Reader) -> str | None:
    """The version of the graph; None while there is none, or one that is not loaded to its end."""
    rows = reader.read(f"MATCH (g:{GRAPH}) WHERE coalesce(g.complete, true) RETURN toString(g.version)")
    return rows[0][0] if rows else None


def read_relations(reader: Reader) -> tuple[str, ...]:
    """The relations that the graph's marker names; co-listening where it names none."""
    rows = reader.read(f"MATCH (g:{GRAPH}) RETURN g.relations")
    return ordered_relations(rows[0][0] or [CO_LISTENED]) if rows else (CO_LISTENED,)


def read_metadata(
    reader: Reader, node_type: Codes | None = None, node_types: tuple[str, ...] = (),
    relations: tuple[str, ...] | None = None,
) -> GraphMetadata:  # fmt: skip
    """Read it over all connections. Without `node_type`, an item's type is its label beside `Item`.

    `relations`: those that are looked at; there need not be an edge of each. None: all that there are.

    Raises:
        GraphError: there is no graph, its items are not numbered 0 … n - 1, or it has other items than `node_type`.
        SettingsError: `relations` are no names of relations that can be told apart.
        ValueError: `node_type` has a code that `node_types` has no name for.
    """
    relations = read_relations(reader) if relations is None else relations
    check_relations(relations)
    version = read_version(reader)
    items = int(reader.read(f"MATCH (n:{ITEM}) RETURN count(n)")[0][0])
    if version is None or not items:
        raise GraphError("Neo4j holds no whole co-listening graph: run `colisten graph build` first.")
    if node_type is None:
        node_type, node_types = _read_node_types(reader, items)
    if len(node_type) != items:
        raise GraphError(f"Neo4j holds {items} items, the data {len(node_type)}: run `colisten graph build` again.")
    if int(node_type.max()) >= len(node_types):
        raise ValueError(f"node_type has the code {node_type.max()}, node_types only {len(node_types)} names")
    node_id = np.full(items, -1, np.int64)
    query = f"MATCH (n:{ITEM}) WHERE $low <= n.item < $high RETURN collect(toInteger(n.item)), collect(id(n))"
    for rows in reader.read_many(query, ranges(items, _AT_ONCE)):
        node_id[rows[0][0]] = rows[0][1]
    if node_id.min() < 0:
        raise GraphError("The items in Neo4j are not numbered without gaps: run `colisten graph build` again.")
    item_of = np.full(int(node_id.max()) + 1, -1, np.int32)
    item_of[node_id] = np.arange(items)
    names = sorted(row[0] for row in reader.read("CALL db.relationshipTypes()"))
    found = tuple(_relationships(reader, relation, names) for relation in relations)
    return GraphMetadata(version, relations, found, node_types, node_type, node_id, item_of)


def read_degrees(reader: Reader, metadata: GraphMetadata) -> Int32s:
    """[items, relations × node types] neighbours in each group; Neo4j keeps these numbers for nodes with many."""
    types = len(metadata.node_types)
    degrees = np.zeros((len(metadata.node_type), len(metadata.relations) * types), np.int32)
    ends = {
        name: (relation * types, _ends(reader, name, metadata))
        for relation, names in enumerate(metadata.relationships)
        for name in names
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


def _relationships(reader: Reader, relation: str, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the relationship types `names` that are of this relation and have an edge."""
    mine = [name for name in names if name.startswith(prefix_of(relation))]
    return tuple(name for name in mine if reader.read(f"MATCH ()-[r:{quoted(name)}]->() RETURN 1 LIMIT 1"))


def _ends(reader: Reader, name: str, metadata: GraphMetadata) -> tuple[int, int]:
    """The node types that a relationship type joins, read off one of its relationships."""
    rows = reader.read(f"MATCH (a)-[:{quoted(name)}]->(b) RETURN id(a), id(b) LIMIT 1")
    if not rows:
        raise metadata.changed(f"{name} has no edge left")
    src, dst = metadata.node_type[metadata.items(np.array(rows[0]))].tolist()
    return src, dst


def _read_node_types(reader: Reader, items: int) -> tuple[Codes, tuple[str, ...]]:
    query = f"MATCH (n:{ITEM}) UNWIND labels(n) AS label WITH DISTINCT label WHERE label <> '{ITEM}' RETURN label"
    labels = sorted(row[0] for row in reader.read(query))
    codes = np.zeros(items, np.uint8)
    query = (
        f"MATCH (n:{ITEM}) WHERE $low <= n.item < $high "
        "RETURN collect(toInteger(n.item)), "
        "collect([k IN range(0, size($labels) - 1) WHERE $labels[k] IN labels(n)][0])"
    )
    for rows in reader.read_many(query, [part | {"labels": labels} for part in ranges(items, _AT_ONCE)]):
        if len(rows[0][0]) != len(rows[0][1]):
            raise GraphError(
                f"An item in Neo4j has no label beside {ITEM} to tell its type: run `colisten graph build`."
            )
        codes[rows[0][0]] = rows[0][1]
    return codes, tuple(labels)
