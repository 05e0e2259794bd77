"""Edges read from Neo4j: whole rows of some items, or all edges, each once.

What comes is checked here, once: compiled code uses it as places in arrays and checks nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.errors import GraphError
from colisten.graph_store.schema import TypeFilter, quoted
from colisten.graph_store.stream.adjacency import Ragged
from colisten.graph_store.stream.bolt import Reader, ranges
from colisten.graph_store.stream.csr import EdgeArrays
from colisten.graph_store.stream.metadata import GraphMetadata
from colisten.ragged import offsets

NO_TIME = int(np.iinfo(np.int64).min)
"""The time of an edge that nobody knows the time of."""
_AT_ONCE = 50_000
_SPARSE = 4


def count_edges(reader: Reader, metadata: GraphMetadata) -> int:
    """How many edges there are: a number that Neo4j keeps."""
    return sum(_count(reader, metadata, relation) for relation in range(len(metadata.relations)))


def _count(reader: Reader, metadata: GraphMetadata, relation: int) -> int:
    kinds = metadata.relationships[relation]
    query = f"MATCH ()-[r{kinds.pattern}]->() {kinds.where('r')} RETURN count(r)"
    return int(reader.read(query, **kinds.parameters)[0][0])


def read_edges(reader: Reader, metadata: GraphMetadata) -> Generator[EdgeArrays, None, None]:
    """All edges, each once, in pieces, relation by relation.

    Relationships are looked up by their own numbers, in storage order, which touches nothing but the relationship. On
    a store format that leaves most numbers unused, nodes are looked up instead.

    Raises:
        GraphError: an edge leads to a node that is no item, or has no finite weight.
    """
    for relation, kinds in enumerate(metadata.relationships):
        if kinds.names:
            for src, dst, weight in _edges_of(reader, metadata, relation, "r.weight"):
                yield EdgeArrays(src, dst, _weights(metadata, weight, len(src)), relation)


def read_times(
    reader: Reader, metadata: GraphMetadata, relation: str
) -> Generator[tuple[Int32s, Int32s, Int64s], None, None]:
    """Ends of all edges of one relation, each once, in pieces, and when each was last made, in epoch seconds.

    An edge without a time, or with something else as its `last`, has `NO_TIME`.

    Raises:
        GraphError: the relation is not streamed, or an edge leads to a node that is no item.
    """
    if relation not in metadata.relations:
        raise GraphError(f"The edges of {relation!r} are not streamed: name it in `relations`.")
    place = metadata.relations.index(relation)
    if metadata.relationships[place].names:
        known = "valueType(r.last) STARTS WITH 'ZONED DATETIME'"
        time = f"CASE WHEN {known} THEN r.last.epochSeconds ELSE {NO_TIME} END"
        for src, dst, times in _edges_of(reader, metadata, place, time):
            yield src, dst, np.fromiter(times, np.int64, len(times))


def _edges_of(
    reader: Reader, metadata: GraphMetadata, relation: int, value: str
) -> Generator[tuple[Int32s, Int32s, list[Any]], None, None]:
    """Ends of all edges of a relation, in pieces, and what the Cypher expression `value` gives of each."""
    kinds, edges = metadata.relationships[relation], _count(reader, metadata, relation)
    query = "UNWIND range($low, $high - 1) AS i MATCH "
    last = _last_number(reader, kinds)
    if last < _SPARSE * edges + _AT_ONCE:
        query += f"(a)-[r{kinds.pattern}]->(b) {kinds.where('r', 'id(r) = i')}"
        parts = ranges(last + 1, _AT_ONCE)
    else:
        query += f"(a) WHERE id(a) = i MATCH (a)-[r{kinds.pattern}]->(b) {kinds.where('r')}"
        parts = ranges(len(metadata.item_of), 1 + _AT_ONCE * len(metadata.item_of) // edges)
    query += f" RETURN collect(id(a)), collect(id(b)), collect({value})"
    for rows in reader.read_many(query, (part | kinds.parameters for part in parts)):
        [[src, dst, values]] = rows
        yield _items(metadata, src), _items(metadata, dst), values


def read_rows(reader: Reader, metadata: GraphMetadata, items: Int64s, length: Int64s) -> Ragged:
    """Whole rows, in the order of `items`, by one query per relation; neighbours of one relation in any order.

    `length` [items, relations]: how many neighbours there are.

    Raises:
        GraphError: see `read_edges`; or rows are not as long as `length`.
    """
    ids = metadata.node_id[items].tolist()
    found = [_read_relation(reader, metadata, ids, relation) for relation in range(len(metadata.relations))]
    row = np.concatenate([rows * len(found) + relation for relation, (rows, _, _) in enumerate(found)])
    if not np.array_equal(np.bincount(row, minlength=length.size), length.ravel()):
        raise metadata.changed("an item has more or fewer edges")
    by_row = np.argsort(row, kind="stable")
    neighbours, weights = (np.concatenate([part[side] for part in found]) for side in (1, 2))
    return Ragged(offsets(length.sum(axis=1)), neighbours[by_row], weights[by_row])


def _read_relation(
    reader: Reader, metadata: GraphMetadata, ids: list[int], relation: int
) -> tuple[Int64s, Int32s, Floats]:
    """The edges of one relation at some nodes: place among `ids`, neighbour, weight."""
    kinds = metadata.relationships[relation]
    if not kinds.names:
        return np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
    query = (
        "UNWIND range(0, size($ids) - 1) AS place MATCH (a) WHERE id(a) = $ids[place] "
        f"MATCH (a)-[r{kinds.pattern}]-(b) {kinds.where('r')} "
        "RETURN collect(place), collect(id(b)), collect(r.weight)"
    )
    [[places, neighbours, weights]] = reader.read(query, ids=ids, **kinds.parameters)
    place = np.fromiter(places, np.int64, len(places))
    return place, _items(metadata, neighbours), _weights(metadata, weights, len(neighbours))


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


def _last_number(reader: Reader, kinds: TypeFilter) -> int:
    """The largest number of a relationship of some types: few are indexed in this order, so nothing is scanned."""
    if kinds.many:
        query = f"MATCH ()-[r]->() {kinds.where('r')} RETURN max(id(r))"
        return int(reader.read(query, **kinds.parameters)[0][0] or 0)
    query = "MATCH ()-[r:{name}]->() WITH r ORDER BY r DESC LIMIT 1 RETURN id(r)"
    last = [reader.read(query.format(name=quoted(name))) for name in kinds.names]
    return max(int(rows[0][0]) if rows else -1 for rows in last)
