"""Edges read from Neo4j: whole rows of some items, or all edges, each once.

What comes is checked here, once: compiled code uses it as places in arrays and checks nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.graph_store.schema import quoted
from colisten.graph_store.stream.adjacency import Ragged, offsets
from colisten.graph_store.stream.bolt import Reader, ranges
from colisten.graph_store.stream.catalogue import Catalogue
from colisten.graph_store.stream.csr import EdgeArrays

_AT_ONCE = 20_000
_SPARSE = 4


def count_edges(reader: Reader, catalogue: Catalogue) -> int:
    """How many edges there are: a number that Neo4j keeps."""
    counts = (reader.read(f"MATCH ()-[r:{quoted(name)}]->() RETURN count(r)") for name in catalogue.relationships)
    return sum(rows[0][0] for rows in counts)


def read_edges(reader: Reader, catalogue: Catalogue) -> Generator[EdgeArrays, None, None]:
    """All edges, each once, in pieces.

    Relationships are looked up by their own numbers, in storage order, which touches nothing but the relationship. On
    a store format that leaves most numbers unused, nodes are looked up instead.

    Raises:
        GraphError: an edge leads to a node that is no item, or has no finite weight.
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
        yield _items(catalogue, [src]), _items(catalogue, [dst]), _weights(catalogue, [weight], len(src))


def read_rows(reader: Reader, catalogue: Catalogue, items: Int64s, length: Int64s) -> Ragged:
    """Whole rows, in the order of `items`, by one query; each row's neighbours in any order.

    Raises:
        GraphError: see `read_edges`; or rows are not as long as `length`.
    """
    query = (
        f"UNWIND $ids AS i MATCH (a) WHERE id(a) = i MATCH (a)-[r:{catalogue.pattern}]-(b) "
        "RETURN i, collect(id(b)), collect(r.weight)"
    )
    ids = catalogue.node_id[items].tolist()
    rows = {node: (others, weights) for node, others, weights in reader.read(query, ids=ids)}
    others, weights = zip(*(rows.get(node, ([], [])) for node in ids), strict=True)
    if list(map(len, others)) != length.tolist():
        raise catalogue.changed("an item has more or fewer edges")
    indptr = offsets(length)
    return Ragged(indptr, _items(catalogue, others), _weights(catalogue, weights, int(indptr[-1])))


def _items(catalogue: Catalogue, nodes: Sequence[list[int]]) -> Int32s:
    return catalogue.items(np.fromiter(chain.from_iterable(nodes), np.int64, sum(map(len, nodes))))


def _weights(catalogue: Catalogue, given: Sequence[list[Any]], count: int) -> Floats:
    """Cypher leaves out of a list what is not there, so that its length tells."""
    if sum(map(len, given)) == count:
        try:
            with np.errstate(over="ignore"):  # too large a number becomes infinite
                found = np.fromiter(chain.from_iterable(given), np.float32, count)
        except (TypeError, ValueError):
            found = np.full(1, np.nan, np.float32)
        if np.isfinite(found).all():
            return found
    raise catalogue.changed("an edge has no finite number as its weight")


def _last_number(reader: Reader, name: str) -> int:
    """The largest number of a relationship of one type: the index of types is in this order, so nothing is scanned."""
    rows = reader.read(f"MATCH ()-[r:{quoted(name)}]->() WITH r ORDER BY r DESC LIMIT 1 RETURN id(r)")
    return int(rows[0][0]) if rows else -1
