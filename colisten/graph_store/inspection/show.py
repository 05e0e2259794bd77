"""One item with its strongest neighbours in the graph, and full-text search over titles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from neo4j import Driver, Record

from colisten.graph_store.failures import as_graph_error
from colisten.graph_store.inspection.cypher import to_plain
from colisten.graph_store.marker import Marker, require_marker
from colisten.graph_store.schema import ITEM, TITLES, label_of, relationship_of

_LUCENE = re.compile(r'([+\-!(){}\[\]^"~*?:\\/&|<>=])')


@dataclass(frozen=True)
class Neighbour:
    """The other end of an edge."""

    relation: str
    id: str
    item_type: str
    title: str | None
    listeners: int
    """Listeners of both items."""
    weight: float
    """Cosine of the two items' listeners."""


@dataclass(frozen=True)
class ItemView:
    """An item with its strongest neighbours, by item type; strongest first within each edge type."""

    item_type: str
    properties: Mapping[str, Any]
    degrees: Mapping[str, int]
    """Neighbour's item type → how many there are."""
    neighbours: Mapping[str, tuple[Neighbour, ...]]


@dataclass(frozen=True)
class Match:
    """An item whose title fits what was asked."""

    id: str
    item_type: str
    title: str
    score: float


def show_item(driver: Driver, database: str, item_id: str, *, k: int = 10) -> ItemView | None:
    """The item of that id with its `k` strongest neighbours of each type; None where there is none.

    Raises:
        GraphError: Neo4j cannot be used, or holds no whole graph.
    """
    query = f"""
        MATCH (n:{ITEM} {{id: $id}})
        CALL (n) {{
            MATCH (n)-[r]-(m:{ITEM}) WHERE type(r) IN $kinds
            WITH type(r) AS kind, r, m ORDER BY r.weight DESC, r.listeners DESC, m.item
            WITH kind, count(*) AS degree, collect([m.id, m.title, r.listeners, r.weight])[..$k] AS strongest
            RETURN collect([kind, degree, strongest]) AS groups
        }}
        RETURN n, labels(n) AS labels, groups
    """
    with as_graph_error("the item was read"):
        marker = require_marker(driver, database)
        kinds = [relationship_of(edge_type) for edge_type in marker.edges]
        found = driver.execute_query(query, id=item_id, kinds=kinds, k=k, database_=database).records
    return _view(found[0], marker) if found else None


def find_titles(driver: Driver, database: str, words: str, *, limit: int = 5) -> list[Match]:
    """Items whose titles fit `words`, best first, small misspellings allowed.

    Raises:
        GraphError: Neo4j cannot be used, or holds no whole graph.
    """
    query = f"""
        CALL db.index.fulltext.queryNodes('{TITLES}', $search, {{limit: $limit}}) YIELD node, score
        RETURN node.id AS id, labels(node) AS labels, node.title AS title, score ORDER BY score DESC, node.item
    """
    written = {normalize(form, words) for form in ("NFC", "NFD")}  # the index knows no equivalence
    terms = [term for one in sorted(written) for term in _LUCENE.sub(r"\\\1", one).lower().split()]
    search = " ".join(f"{term}^2 {term}~" for term in terms)
    if not search:
        return []
    with as_graph_error("titles were searched"):
        marker = require_marker(driver, database)
        records = driver.execute_query(query, search=search, limit=limit, database_=database).records
    return [Match(row["id"], _type_of(row["labels"], marker), row["title"], row["score"]) for row in records]


def _view(found: Record, marker: Marker) -> ItemView:
    own = _type_of(found["labels"], marker)
    directed = [direction for edge_type in marker.edges for direction in edge_type.directions]
    outgoing = {relationship_of(edge_type): edge_type for edge_type in directed if edge_type.src == own}
    groups = sorted((outgoing[kind], degree, strongest) for kind, degree, strongest in found["groups"])
    degrees: dict[str, int] = {}
    neighbours: dict[str, tuple[Neighbour, ...]] = {}
    for (_, relation, item_type), degree, strongest in groups:
        near = tuple(Neighbour(relation, item_id, item_type, *rest) for item_id, *rest in strongest)
        degrees[item_type] = degrees.get(item_type, 0) + degree
        neighbours[item_type] = (*neighbours.get(item_type, ()), *near)
    return ItemView(own, to_plain(dict(found["n"])), degrees, neighbours)


def _type_of(labels: list[str], marker: Marker) -> str:
    return next(item_type for item_type in marker.items if label_of(item_type) in labels)
