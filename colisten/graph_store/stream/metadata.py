"""Graph metadata, read before any edge: version, node types and relations, and where the nodes lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Codes, Int32s, Int64s
from colisten.errors import GraphError
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.marker import NoGraphError, ordered_relations
from colisten.graph_store.schema import GRAPH, ITEM, TYPES_OF_PREFIXES, TypeFilter, prefix_of
from colisten.graph_store.stream.bolt import Reader, ranges
from colisten.relations import check_relations

_AT_ONCE = 5_000


@dataclass(frozen=True)
class GraphMetadata:
    """The nodes of a graph in Neo4j, and which relationship types join them."""

    version: str
    relations: tuple[str, ...]
    relationships: tuple[TypeFilter, ...]
    """Per relation, the relationship types that carry its edges, each between one pair of item types."""
    node_types: tuple[str, ...]
    node_type: Codes
    node_id: Int64s
    """[items] Neo4j's own number of each node: finding a node by it costs no index."""
    item_of: Int32s
    """[largest node id + 1] the other way round; -1 where no item is."""

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
        raise NoGraphError
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
    found = tuple(_relationships_of(reader, relation) for relation in relations)
    return GraphMetadata(version, relations, found, node_types, node_type, node_id, item_of)


def _relationships_of(reader: Reader, relation: str) -> TypeFilter:
    ((names,),) = reader.read(TYPES_OF_PREFIXES, prefixes=[prefix_of(relation)])
    return TypeFilter(tuple(sorted(names)))


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
