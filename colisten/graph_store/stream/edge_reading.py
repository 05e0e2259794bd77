"""All edges of the graph over several connections, each edge once."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from colisten.graph_store.schema import quoted
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
