"""Explanation paths from a history to recommended items: one Cypher query for a whole answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from neo4j import Driver, Record

from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.failures import as_graph_error, read_beside_a_load
from colisten.graph_store.marker import last_marker
from colisten.graph_store.schema import ITEM, STANDS, TypeFilter, relationship_of

_SECOND_HOP = 50
"""A second step is looked for from so many strongest neighbours of an item, so that hubs cost no more than others."""


def _query(types: TypeFilter) -> str:
    """The query over these relationship types."""
    return f"""
        UNWIND $wanted AS number
        MATCH (t:{ITEM} {{item: number}})
        CALL (t) {{
            CALL (t) {{
                MATCH (t)-[r{types.pattern}]-(s:{ITEM}) {types.where("r", "s.item IN $history", STANDS.format("r"))}
                RETURN [s.item, t.item] AS items, [r] AS edges, r.weight AS strength
              UNION ALL
                MATCH (t)-[b{types.pattern}]-(m:{ITEM}) {types.where("b", "NOT m.item IN $history", STANDS.format("b"))}
                WITH t, b, m ORDER BY b.weight DESC, m.item LIMIT $second_hop
                MATCH (m)-[a{types.pattern}]-(s:{ITEM})
                {types.where("a", "s.item IN $history", "s <> t", STANDS.format("a"))}
                RETURN [s.item, m.item, t.item] AS items, [a, b] AS edges, a.weight * b.weight AS strength
            }}
            WITH items, edges ORDER BY strength DESC, size(items), items LIMIT $paths
            RETURN collect([items, [e IN edges | type(e)],
                            [e IN edges | e.listeners], [e IN edges | e.weight]]) AS paths
        }}
        RETURN number, paths
    """


@dataclass(frozen=True)
class GraphPath:
    """A chain of shared listeners, from an item of the history to the one that is explained."""

    items: tuple[int, ...]
    """Item numbers, two or three."""
    relations: tuple[str, ...]
    """Of each edge."""
    listeners: tuple[int, ...]
    """Of each edge, how many listeners its items share."""
    weights: tuple[float, ...]
    """Of each edge, the cosine of its two items' listeners, shrunk where they are few."""

    @property
    def strength(self) -> float:
        """The product of the weights: weaker than the weakest edge."""
        return prod(self.weights)


def strongest_paths(
    driver: Driver, database: str, history: Sequence[int], wanted: Sequence[int], *, paths: int = 3
) -> dict[int, tuple[GraphPath, ...]]:
    """For each item in `wanted`, the strongest paths of one or two edges that lead there from an item in `history`.

    Strongest first, at most `paths` of them, none through another item that was heard (the rest of such a path is
    stronger than the whole). An item that no path leads to has an empty tuple.

    Raises:
        GraphError: Neo4j cannot be used, or holds no whole graph.
    """
    with as_graph_error("paths were looked for"):
        edge_types = [each for each in last_marker(driver, database).edges if each.relation == CO_LISTENED]
        types = TypeFilter.of(edge_types)
        given = {"history": list(history), "wanted": list(wanted), "second_hop": _SECOND_HOP, "paths": paths}
        found = read_beside_a_load(driver, database, _query(types), given | types.parameters)
    relation_of = {relationship_of(edge_type): edge_type.relation for edge_type in edge_types}
    by_item = {record["number"]: _paths_in(record, relation_of) for record in found}
    return {item: by_item.get(item, ()) for item in wanted}


def _paths_in(record: Record, relation_of: Mapping[str, str]) -> tuple[GraphPath, ...]:
    return tuple(
        GraphPath(tuple(items), tuple(relation_of[kind] for kind in kinds), tuple(listeners), tuple(weights))
        for items, kinds, listeners, weights in record["paths"]
        if None not in (*kinds, *weights)  # of an edge that a load has deleted meanwhile
    )
