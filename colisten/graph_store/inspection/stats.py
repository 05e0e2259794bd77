"""Graph statistics: sizes, degree percentiles, hubs, isolated items, and what looks unhealthy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from neo4j import Driver, Record

from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.failures import as_graph_error
from colisten.graph_store.marker import Marker, require_marker
from colisten.graph_store.schema import ITEM, TypeFilter, label_of, relationship_of

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
    """Figures of the graph in Neo4j; items in the catalogue only, unless noted otherwise."""

    marker: Marker
    catalogue: Mapping[str, int]
    """Items of each type, retired ones not counted."""
    isolated: Mapping[str, int]
    """Items of each type without any edge."""
    degrees: Mapping[EdgeType, Mapping[int, int]]
    """Edge type, in both directions → percentile → number of such neighbours, over all items of its source type."""
    hubs: tuple[Hub, ...]
    """Most neighbours first, over all types."""

    @property
    def warnings(self) -> list[str]:
        """What a curator should look at, one sentence each."""
        joined: Counter[EdgeType] = Counter()
        for edge_type, count in self.marker.edges.items():
            joined[edge_type.stored] += count
        edges, items = joined.total(), sum(self.catalogue.values())
        found = [
            f"{count / edges:.0%} of all edges are {relation!r} of {src} and {dst}: the others barely count."
            for (src, relation, dst), count in joined.items()
            if len(joined) > 1 and count > _MOSTLY * edges
        ]
        isolated = sum(self.isolated.values())
        if items and isolated > _LONELY * items:
            found.append(f"{isolated / items:.0%} of the items have no edge: they are recommended by their texts only.")
        return found


def read_stats(driver: Driver, database: str, *, connections: int = 4, hubs: int = 10) -> GraphStats:
    """Count, in one pass over all edges by the server, over `connections` side by side.

    Raises:
        GraphError: Neo4j cannot be used, or holds no whole graph.
    """
    with as_graph_error("the graph was counted"):
        marker = require_marker(driver, database)
        types = TypeFilter.of(marker.edges)
        catalogue, isolated = dict.fromkeys(marker.items, 0), dict.fromkeys(marker.items, 0)
        type_of = {label_of(item_type): item_type for item_type in marker.items}
        query = f"""
            MATCH (n:{ITEM}) WHERE NOT n.retired
            WITH n, EXISTS {{ (n)-[r{types.pattern}]-(:{ITEM}) {types.where("r")} }} AS joined
            UNWIND labels(n) AS label
            RETURN label, count(*) AS items, sum(CASE WHEN joined THEN 0 ELSE 1 END) AS isolated
        """
        for label, items, alone in driver.execute_query(query, types.parameters, database_=database).records:
            if label in type_of:
                catalogue[type_of[label]], isolated[type_of[label]] = items, alone
        histograms = _histograms(driver, database, types, connections)
        neighbours = f"(n)-[r{types.pattern}]-(:{ITEM}) {types.where('r')}"
        found = driver.execute_query(
            f"MATCH (n:{ITEM}) WITH n, COUNT {{ {neighbours} }} AS degree "
            "RETURN n.id AS id, n.title AS title, degree ORDER BY degree DESC, n.item LIMIT $hubs",
            {"hubs": hubs, **types.parameters},
            database_=database,
        ).records
    directed = sorted({direction for edge_type in marker.edges for direction in edge_type.directions})
    degrees = {
        edge_type: _percentiles(
            histograms[label_of(edge_type.src), relationship_of(edge_type)], catalogue[edge_type.src]
        )
        for edge_type in directed
    }
    return GraphStats(marker, catalogue, isolated, degrees, tuple(Hub(**record.data()) for record in found))


def _histograms(
    driver: Driver, database: str, types: TypeFilter, connections: int
) -> dict[tuple[str, str], Counter[int]]:
    """(label, relationship type) → degree → number of items; items of degree 0 are not in it."""
    parts = _PARTS_PER_CONNECTION * connections
    query = f"""
        MATCH (n:{ITEM})-[r{types.pattern}]-(:{ITEM}) {types.where("r", "n.item % $parts = $part")}
        WITH n, type(r) AS kind, count(*) AS degree
        UNWIND labels(n) AS label
        WITH label, kind, degree, count(*) AS items WHERE label <> '{ITEM}'
        RETURN label, kind, degree, items
    """

    def count(part: int) -> list[Record]:
        given = {"part": part, "parts": parts, **types.parameters}
        return driver.execute_query(query, given, database_=database).records

    histograms: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    with ThreadPoolExecutor(connections) as pool:
        for records in pool.map(count, range(parts)):
            for label, kind, degree, items in records:
                histograms[label, kind][degree] += items
    return histograms


def _percentiles(histogram: Mapping[int, int], items: int) -> dict[int, int]:
    degrees = np.array([0, *sorted(histogram)])
    counts = np.array([max(items - sum(histogram.values()), 0), *(histogram[d] for d in sorted(histogram))])
    upto = np.cumsum(counts)
    places = [np.searchsorted(upto, max(1, np.ceil(p / 100 * upto[-1]))) for p in _PERCENTILES]
    return {p: int(degrees[place]) for p, place in zip(_PERCENTILES, places, strict=True)}
