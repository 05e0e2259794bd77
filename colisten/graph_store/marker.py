"""The graph marker, one `(:CoListeningGraph)` node: owner, version, whether the graph is whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from neo4j import Driver

from colisten.errors import GraphError
from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.schema import FORMER_TYPES, GRAPH, ITEM, PREDICTS, TypeFilter, stored_relationships
from colisten.relations import BUILT_IN, CO_LISTENED

NAME = "co-listening"


class NoGraphError(GraphError):
    """The database holds no co-listening graph, or half of a first one."""

    def __init__(self) -> None:
        super().__init__("Neo4j holds no whole co-listening graph: run `colisten graph build`, or wait until it ends.")


@dataclass(frozen=True)
class Marker:
    """The graph in the database: whose it is, its version, its counts."""

    version: str
    """Names items and edges; see `nodes.graph_version`."""
    catalogue: str
    """Checksum of all properties of all items."""
    built_at: datetime
    items: Mapping[str, int]
    """Nodes of each item type, retired ones included."""
    edges: Mapping[EdgeType, int]
    """Relationships of each edge type that has any."""
    fingerprint: int
    """Hash of all edges; see `fingerprint`."""

    @property
    def relations(self) -> tuple[str, ...]:
        """Those that have edges: co-listening first, then by name."""
        return ordered_relations(edge_type.relation for edge_type in self.edges)


def ordered_relations(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, co-listening first, then by name."""
    return tuple(sorted(set(names), key=lambda name: (name != CO_LISTENED, name)))


def read_marker(driver: Driver, database: str) -> Marker | None:
    """The marker of the graph in the database; None while there is none, or one that was not loaded to its end.

    A graph that an earlier version wrote, of co-listening alone, counts as not loaded: the next load moves it.
    """
    return _marker(driver, database, "g.complete AND g.relations IS NOT NULL")


def require_marker(driver: Driver, database: str) -> Marker:
    """The marker of a graph that is loaded to its end.

    Raises:
        NoGraphError: it holds none, or one that was not loaded to its end.
    """
    marker = read_marker(driver, database)
    if marker is None:
        raise NoGraphError
    return marker


def last_marker(driver: Driver, database: str) -> Marker:
    """The marker of the graph that was last loaded to its end, while the next is written over it too.

    For those who show what joins items: a load writes what differs, so all of an edge is of the one graph or of the
    other, and most of it is of both.

    Raises:
        NoGraphError: it holds none, or a first one that was not loaded to its end.
    """
    marker = _marker(driver, database, "g.edge_relations IS NOT NULL")
    if marker is None:
        raise NoGraphError
    return marker


def _marker(driver: Driver, database: str, condition: str) -> Marker | None:
    query = f"MATCH (g:{GRAPH} {{name: $name}}) WHERE {condition} RETURN g"
    found = driver.execute_query(query, name=NAME, database_=database).records
    if not found:
        return None
    about = found[0]["g"]
    names = zip(about["edge_sources"], about["edge_relations"], about["edge_destinations"], strict=True)
    return Marker(
        version=about["version"],
        catalogue=about["catalogue"],
        built_at=about["built_at"].to_native(),
        items=dict(zip(about["item_types"], about["item_counts"], strict=True)),
        edges=dict(zip((EdgeType(*each) for each in names), about["edge_counts"], strict=True)),
        fingerprint=about["fingerprint"],
    )


def claim(driver: Driver, database: str, relations: Iterable[str]) -> tuple[str, ...]:
    """Mark the graph as ours and as being loaded; nothing else may be trusted until `complete` has run.

    Returns the relations that it may hold: those that are built in, those about to be loaded (`relations`), and those
    of earlier loads, whole or not. They are recorded before anything is written, so that what a killed load leaves of
    a relation is found when nobody speaks of that relation any more.

    Raises:
        GraphError: the database holds nodes of another program.
    """
    if not _is_ours(driver, database):
        nodes = driver.execute_query("MATCH (n) RETURN count(n) AS nodes", database_=database).records[0]["nodes"]
        if nodes:
            raise GraphError(
                f"The Neo4j database {database!r} holds {nodes:,} nodes that Colisten did not write, and they stay as "
                "they are: set neo4j.database or neo4j.uri to an empty database."
            )
    recorded = _recorded_relations(driver, database)
    names = ordered_relations([*BUILT_IN, *relations, *recorded])
    query = f"MERGE (g:{GRAPH} {{name: $name}}) SET g.complete = false, g.relations = $relations"
    driver.execute_query(query, name=NAME, relations=list(names), database_=database)
    return names


def _recorded_relations(driver: Driver, database: str) -> list[str]:
    query = f"MATCH (g:{GRAPH} {{name: $name}}) RETURN coalesce(g.relations, [])"
    found = driver.execute_query(query, name=NAME, database_=database).records
    return [relation for (names,) in found for relation in names]


def remove_former_types(driver: Driver, database: str) -> None:
    """Delete relationships of types that earlier versions wrote, so that none stands beside its successor."""
    query = (
        f"MATCH (:{ITEM})-[r:{'|'.join(FORMER_TYPES)}]->(:{ITEM}) CALL (r) {{ DELETE r }} IN TRANSACTIONS OF 10000 ROWS"
    )
    with driver.session(database=database) as session:
        session.run(query).consume()


def _is_ours(driver: Driver, database: str) -> bool:
    query = f"MATCH (g:{GRAPH} {{name: $name}}) RETURN g.name"
    return bool(driver.execute_query(query, name=NAME, database_=database).records)


def complete(driver: Driver, database: str, marker: Marker) -> None:
    """Record that the graph is whole, with its version and counts."""
    sources, relations, destinations = ([edge_type[part] for edge_type in marker.edges] for part in range(3))
    about = {
        "version": marker.version, "catalogue": marker.catalogue, "built_at": marker.built_at.astimezone(UTC),
        "item_types": list(marker.items), "item_counts": list(marker.items.values()),
        "edge_sources": sources, "edge_relations": relations, "edge_destinations": destinations,
        "edge_counts": list(marker.edges.values()), "relations": list(marker.relations),
        "fingerprint": marker.fingerprint, "complete": True,
    }  # fmt: skip
    query = f"MATCH (g:{GRAPH} {{name: $name}}) SET g += $about"
    driver.execute_query(query, name=NAME, about=about, database_=database)


def remove_graph(driver: Driver, database: str) -> None:
    """Delete our relationships, items and mark; nodes and relationships of others stay.

    An item that another program's relationship holds on to cannot be deleted without it.

    Raises:
        neo4j.exceptions.Neo4jError: an item is held by a relationship that is not ours.
    """
    with driver.session(database=database) as session:
        forgotten = "SET g.complete = false, g.edge_relations = null"  # half of it is nothing to show
        session.run(f"MATCH (g:{GRAPH} {{name: $name}}) {forgotten}", name=NAME).consume()
        relations = {*BUILT_IN, *_recorded_relations(driver, database)}
        ours = TypeFilter((PREDICTS, *FORMER_TYPES, *stored_relationships(driver, database, relations)))
        for query in (
            f"MATCH (:{ITEM})-[r{ours.pattern}]->(:{ITEM}) {ours.where('r')} CALL (r) {{ DELETE r }}",
            f"MATCH (n:{ITEM}) WHERE n.item IS NOT NULL CALL (n) {{ DELETE n }}",
            f"MATCH (n:{GRAPH} {{name: '{NAME}'}}) CALL (n) {{ DELETE n }}",
        ):
            session.run(f"{query} IN TRANSACTIONS OF 10000 ROWS", ours.parameters).consume()
