"""One item with its strongest neighbours in the graph, and full-text search over titles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from neo4j import Driver, Record

from colisten.graph_store.failures import as_graph_error, read_beside_a_load
from colisten.graph_store.inspection.cypher import to_plain
from colisten.graph_store.marker import Marker, last_marker, ordered_relations
from colisten.graph_store.schema import ITEM, STANDS, TITLES, TypeFilter, label_of, relationship_of

_LUCENE = re.compile(r'([+\-!(){}\[\]^"~*?:\\/&|<>=])')


@dataclass(frozen=True)
class Neighbour:
    """The other end of an edge."""

    id: str
    title: str | None
    weight: float
    """Strength of the edge, in (0, 1]."""
    outgoing: bool = True
    """Whether the edge leads to the neighbour rather than from it; means something in directed relations only."""
    listeners: int | None = None
    """Listeners of both items, where that is the relation."""
    step: float | None = None
    """By how many places of their series it comes behind the item that is shown, as far as known."""


@dataclass(frozen=True)
class NeighbourGroup:
    """Neighbours of an item by one relation, of one item type."""

    relation: str
    item_type: str
    degree: int
    """How many there are."""
    neighbours: tuple[Neighbour, ...]
    """The strongest, strongest first."""

    @property
    def name(self) -> str:
        """As it stands beside a number: `audiobook, same_series`."""
        return f"{self.item_type}, {self.relation}"


@dataclass(frozen=True)
class ItemView:
    """An item with its strongest neighbours by each relation, of each item type."""

    item_type: str
    properties: Mapping[str, Any]
    groups: tuple[NeighbourGroup, ...]
    """Co-listening first, then by relation and item type."""


@dataclass(frozen=True)
class Match:
    """An item whose title fits what was asked."""

    id: str
    item_type: str
    title: str
    score: float


def show_item(driver: Driver, database: str, item_id: str, *, k: int = 10) -> ItemView | None:
    """The item of that id with its `k` strongest neighbours by each relation of each type; None where there is none.

    While the next graph is loaded the last one's are shown, as far as they still stand; an item of a new type is none.

    Raises:
        GraphError: Neo4j cannot be used, or holds no graph.
    """
    with as_graph_error("the item was read"):
        marker = last_marker(driver, database)
        types = TypeFilter.of(marker.edges)
        query = f"""
            MATCH (n:{ITEM} {{id: $id}})
            CALL (n) {{
                MATCH (n)-[r{types.pattern}]-(m:{ITEM}) {types.where("r", STANDS.format("r"))}
                WITH type(r) AS kind, r, m, startNode(r) = n AS outgoing
                ORDER BY r.weight DESC, r.listeners DESC, m.item, outgoing DESC
                WITH kind, count(*) AS degree, collect([
                    m.id, m.title, r.weight, outgoing, r.listeners, CASE WHEN outgoing THEN r.step ELSE -r.step END
                ])[..$k] AS strongest
                RETURN collect([kind, degree, strongest]) AS groups
            }}
            RETURN n, labels(n) AS labels, groups
        """
        found = read_beside_a_load(driver, database, query, {"id": item_id, "k": k, **types.parameters})
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
        marker = last_marker(driver, database)
        records = read_beside_a_load(driver, database, query, {"search": search, "limit": limit})
    typed = [(_type_of(row["labels"], marker), row) for row in records]
    return [Match(row["id"], item_type, row["title"], row["score"]) for item_type, row in typed if item_type]


def _view(found: Record, marker: Marker) -> ItemView | None:
    own = _type_of(found["labels"], marker)
    if own is None:
        return None
    directed = [direction for edge_type in marker.edges for direction in edge_type.directions]
    outgoing = {relationship_of(edge_type): edge_type for edge_type in directed if edge_type.src == own}
    groups = [
        NeighbourGroup(
            outgoing[kind].relation,
            outgoing[kind].dst,
            degree,
            tuple(Neighbour(*values) for values in strongest if values[2] is not None),
        )
        for kind, degree, strongest in found["groups"]
        if kind is not None  # of edges that a load has deleted meanwhile
    ]
    order = ordered_relations(group.relation for group in groups)
    groups.sort(key=lambda group: (order.index(group.relation), group.item_type))
    return ItemView(own, to_plain(dict(found["n"])), tuple(groups))


def _type_of(labels: list[str], marker: Marker) -> str | None:
    """None for a type that the graph being loaded brings."""
    return next((item_type for item_type in marker.items if label_of(item_type) in labels), None)
