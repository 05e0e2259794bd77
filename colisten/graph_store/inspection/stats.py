"""The graph in figures: sizes, degrees, hubs, islands, and what looks unhealthy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from neo4j import Driver, Record

from colisten.graph_store.failures import as_graph_error
from colisten.graph_store.marker import Marker, require_marker
from colisten.graph_store.schema import CO_LISTENED, ITEM, PREFIX, label_of, quoted, relationship_of

EdgeType = tuple[str, str]

_PERCENTILES = (0, 10, 50, 90, 99, 100)
_MOSTLY = 0.9
_LONELY = 0.1
_PARTS_PER_CONNECTION = 4


@dataclass(frozen=True)
class Hub:
    """An item with many neighbours."""

    id: str
    title: str | None
    degree: int


@dataclass(frozen=True)
class GraphStats:
    """Figures of the graph in Neo4j; items in the catalogue only, unless said otherwise."""

    marker: Marker
    catalogue: Mapping[str, int]
    """Items of each type, retired ones not counted."""
    isolated: Mapping[str, int]
    """Items of each type without any edge."""
    degrees: Mapping[EdgeType, Mapping[int, int]]
    """(item type, neighbour's type) → percentile → number of such neighbours, over all items of the type."""
    hubs: tuple[Hub, ...]
    """Most neighbours first, over all types."""

    @property
    def warnings(self) -> list[str]:
        """What a curator should look at, one sentence each."""
        edges, items = sum(self.marker.edges.values()), sum(self.catalogue.values())
        said = [
            f"{count / edges:.0%} of all edges join {one} and {other}: the other types barely count."
            for (one, other), count in self.marker.edges.items()
            if len(self.marker.edges) > 1 and count > _MOSTLY * edges
        ]
        alone = sum(self.isolated.values())
        if items and alone > _LONELY * items:
            said.append(f"{alone / items:.0%} of the items have no edge: they are recommended by their texts only.")
        return said


def read_stats(driver: Driver, database: str, *, connections: int = 4, hubs: int = 10) -> GraphStats:
    """Count, in one pass over all edges by the server, over `connections` side by side.

    Raises:
        GraphError: Neo4j cannot be used, or holds no whole graph.
    """
    with as_graph_error("the graph was counted"):
        marker = require_marker(driver, database)
        catalogue, isolated = Counter[str](), Counter[str]()
        for item_type in marker.items:
            query = f"""
                MATCH (n:{ITEM}:{quoted(label_of(item_type))}) WHERE NOT n.retired
                WITH n, EXISTS {{ (n)-[:{CO_LISTENED}]-(:{ITEM}) }} AS joined
                RETURN count(*) AS items, sum(CASE WHEN joined THEN 0 ELSE 1 END) AS alone
            """
            record = driver.execute_query(query, database_=database).records[0]
            catalogue[item_type], isolated[item_type] = record["items"], record["alone"]
        histograms = _histograms(driver, database, connections)
        found = driver.execute_query(
            f"MATCH (n:{ITEM}) WITH n, COUNT {{ (n)-[:{CO_LISTENED}]-(:{ITEM}) }} AS degree "
            "RETURN n.id AS id, n.title AS title, degree ORDER BY degree DESC, n.item LIMIT $hubs",
            hubs=hubs,
            database_=database,
        ).records
    degrees = {pair: _percentiles(histograms[_key(pair)], catalogue[pair[0]]) for pair in _directed(marker)}
    return GraphStats(marker, catalogue, isolated, degrees, tuple(Hub(**record.data()) for record in found))


def _histograms(driver: Driver, database: str, connections: int) -> dict[tuple[str, str], Counter[int]]:
    """(label, relationship type) → degree → number of items; items of degree 0 are not in it."""
    parts = _PARTS_PER_CONNECTION * connections
    query = f"""
        MATCH (n:{ITEM})-[r]-(:{ITEM}) WHERE n.item % $parts = $part AND type(r) STARTS WITH '{PREFIX}'
        WITH n, type(r) AS kind, count(*) AS degree
        UNWIND labels(n) AS label
        WITH label, kind, degree, count(*) AS items WHERE label <> '{ITEM}'
        RETURN label, kind, degree, items
    """

    def count(part: int) -> list[Record]:
        return driver.execute_query(query, part=part, parts=parts, database_=database).records

    histograms: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    with ThreadPoolExecutor(connections) as pool:
        for records in pool.map(count, range(parts)):
            for label, kind, degree, items in records:
                histograms[label, kind][degree] += items
    return histograms


def _directed(marker: Marker) -> list[EdgeType]:
    return sorted({pair for one, other in marker.edges for pair in ((one, other), (other, one))})


def _key(pair: EdgeType) -> tuple[str, str]:
    return label_of(pair[0]), relationship_of(*pair)


def _percentiles(histogram: Mapping[int, int], items: int) -> dict[int, int]:
    degrees = np.array([0, *sorted(histogram)])
    counts = np.array([max(items - sum(histogram.values()), 0), *(histogram[d] for d in sorted(histogram))])
    upto = np.cumsum(counts)
    places = [np.searchsorted(upto, max(1, np.ceil(p / 100 * upto[-1]))) for p in _PERCENTILES]
    return {p: int(degrees[place]) for p, place in zip(_PERCENTILES, places, strict=True)}
