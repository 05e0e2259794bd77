"""Direct edges of other relations than co-listening, from a history to recommended items: one query for an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from neo4j import Driver, Record

from colisten.graph_store.failures import as_graph_error, read_beside_a_load
from colisten.graph_store.marker import last_marker
from colisten.graph_store.schema import ITEM, STANDS, TypeFilter, relationship_of
from colisten.relations import CO_LISTENED, SAME_CREATOR, SAME_SERIES, SIMILAR_TEXT


@dataclass(frozen=True)
class Link:
    """An edge from an item of the history to the one that is explained."""

    relation: str
    heard: int
    """The item of the history."""
    weight: float
    outgoing: bool
    """Whether the edge leads from the item heard to the one explained; means something in directed relations only."""
    step: float | None
    """By how many places of their series the item explained comes behind the one heard, as far as known."""
    series: str | None
    """The series of the item explained."""
    creators: tuple[str, ...]
    """Creators that both have."""

    @property
    def is_next(self) -> bool:
        """Whether the item explained goes on with a series that was begun."""
        return self.step is not None and self.step > 0


def direct_links(
    driver: Driver, database: str, history: Sequence[int], wanted: Sequence[int]
) -> dict[int, tuple[Link, ...]]:
    """For each item in `wanted`, the strongest edge of each relation from an item in `history`; co-listening left out.

    In a series the strongest is the one from the item of the history that comes closest before the item; of equally
    strong ones, that from the item that stands first in `history`. Relations in the order: series, creator, those of
    the platform, text. An item without any edge has an empty tuple.

    Raises:
        GraphError: Neo4j cannot be used, or holds no whole graph.
    """
    with as_graph_error("related items were looked for"):
        edge_types = [each for each in last_marker(driver, database).edges if each.relation != CO_LISTENED]
        types = TypeFilter.of(edge_types)
        query = f"""
            UNWIND $wanted AS number
            MATCH (t:{ITEM} {{item: number}})-[r{types.pattern}]-(s:{ITEM})
            {types.where("r", "s.item IN $history", "s <> t", STANDS.format("r"))}
            WITH t, s, r, startNode(r) = s AS outgoing
            WITH t, s, r, outgoing, CASE WHEN outgoing THEN r.step ELSE -r.step END AS step,
                 [place IN range(0, size($history) - 1) WHERE $history[place] = s.item][0] AS place
            ORDER BY CASE WHEN step > 0 THEN step END, r.weight DESC, place
            WITH t, type(r) AS kind, head(collect([place, r.weight, outgoing, step, s.creators])) AS strongest
            RETURN t.item AS item, t.series AS series, t.creators AS creators, collect([kind, strongest]) AS found
        """
        given = {"history": list(history), "wanted": list(wanted), **types.parameters}
        records = read_beside_a_load(driver, database, query, given) if edge_types else []
    relation_of = {relationship_of(edge_type): edge_type.relation for edge_type in edge_types}
    by_item = {record["item"]: _links_in(record, history, relation_of) for record in records}
    return {item: by_item.get(item, ()) for item in wanted}


def _links_in(record: Record, history: Sequence[int], relation_of: Mapping[str, str]) -> tuple[Link, ...]:
    """The strongest link of each relation, whose edges to items of several types have several relationship types."""
    strongest: dict[str, tuple[tuple[float, float, int], Link]] = {}
    for kind, (place, weight, outgoing, step, creators) in record["found"]:
        if kind is None or weight is None:  # a load has deleted the edge meanwhile
            continue
        shared = _shared(record["creators"] or (), creators or ())
        link = Link(relation_of[kind], history[place], weight, outgoing, step, record["series"], shared)
        order = (step if link.is_next else inf, -weight, place)
        if link.relation not in strongest or order < strongest[link.relation][0]:
            strongest[link.relation] = order, link
    return tuple(sorted((link for _, link in strongest.values()), key=_precedence))


def _precedence(link: Link) -> tuple[int, float, str]:
    first = {SAME_SERIES: 0, SAME_CREATOR: 1, SIMILAR_TEXT: 3}
    return first.get(link.relation, 2), -link.weight, link.relation


def _shared(creators: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Names that are in both, whatever their case and spaces."""
    known = {_spelled(name) for name in others}
    return tuple(name for name in creators if _spelled(name) in known)


def _spelled(name: str) -> str:
    return " ".join(name.lower().split())
