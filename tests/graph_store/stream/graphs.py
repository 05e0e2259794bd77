"""Random graphs for the tests of this room, and what is true of them, said without the code under test."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from neo4j import Driver

from colisten.arrays import Codes, Floats, Int32s, Int64s
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.schema import label_of, relationship_of
from colisten.graph_store.stream.snapshot import SnapshotAdjacency

TYPES = ("audiobook", "podcast", "video")
RELATIONS = (CO_LISTENED, "same_mood")


@dataclass(frozen=True)
class Graph:
    """Some edges between items of some types, each once per relation."""

    src: Int32s
    dst: Int32s
    weight: Floats
    node_type: Codes
    node_types: tuple[str, ...]
    relation: Codes
    relations: tuple[str, ...]

    def adjacency(self) -> SnapshotAdjacency:
        return SnapshotAdjacency.from_edges(
            self.src, self.dst, self.weight, node_type=self.node_type, node_types=self.node_types,
            relation=self.relation, relations=self.relations, version="v1",
        )  # fmt: skip

    def networkx(self) -> nx.MultiGraph[int]:
        """Edges keyed by the code of their relation."""
        graph: nx.MultiGraph[int] = nx.MultiGraph()
        graph.add_nodes_from((item, {"kind": int(kind)}) for item, kind in enumerate(self.node_type))
        columns = (self.src, self.dst, self.relation, self.weight)
        for a, b, relation, weight in zip(*(column.tolist() for column in columns), strict=True):
            graph.add_edge(a, b, relation, weight=weight)
        return graph


def random_graph(items: int, edges: int, seed: int, types: int = 3, relations: int = 1) -> Graph:
    """Items of interleaved types, some popular, some without edges; two items may be joined by several relations."""
    rng = np.random.default_rng(seed)
    ends = (items * rng.random((2, edges)) ** 2).astype(np.int64)
    low, high = ends.min(axis=0), ends.max(axis=0)
    relation = rng.integers(0, relations, edges) if relations > 1 else np.zeros(edges, np.int64)
    keys = np.unique(((low * items + high) * relations + relation)[low < high])
    rng.shuffle(keys)
    pairs, relation = np.divmod(keys, relations)
    src, dst = (pairs // items).astype(np.int32), (pairs % items).astype(np.int32)
    weight = rng.random(len(keys), np.float32) * 0.99 + 0.01
    kinds = rng.integers(0, types, items).astype(np.uint8)
    kinds[:types] = np.arange(types)
    return Graph(
        src, dst, weight.astype(np.float32), kinds, TYPES[:types], relation.astype(np.uint8), RELATIONS[:relations]
    )


def last_of(src: Int32s, dst: Int32s) -> Int64s:
    """[edges] when each edge in Neo4j was last made, in epoch seconds; zero where it does not say."""
    lower, higher = np.minimum(src, dst).astype(np.int64), np.maximum(src, dst).astype(np.int64)
    return np.where((lower + higher) % 5 == 0, 0, 1_700_000_000 + 1_000 * lower + higher)


def load(driver: Driver, graph: Graph, version: str = "v1") -> None:
    """Write a graph as `colisten graph build` lays it out, by plain Cypher."""
    driver.execute_query("CREATE CONSTRAINT item IF NOT EXISTS FOR (n:Item) REQUIRE n.item IS UNIQUE")
    for code, name in enumerate(graph.node_types):
        items = np.flatnonzero(graph.node_type == code).tolist()
        query = (
            f"UNWIND $items AS i CREATE (n:Item:{label_of(name)} {{item: i, id: 'x' + i, size: toFloat(i) / 7, "
            "vector: [toFloat(i), 1.0]})"
        )
        driver.execute_query(query, items=items)
    kinds = np.sort(np.stack([graph.node_type[graph.src], graph.node_type[graph.dst]]), axis=0)
    for first, second, code in {(int(a), int(b), int(c)) for (a, b), c in zip(kinds.T, graph.relation, strict=True)}:
        chosen = (kinds[0] == first) & (kinds[1] == second) & (graph.relation == code)
        ends = graph.src[chosen], graph.dst[chosen]
        rows = zip(*(array.tolist() for array in (*ends, graph.weight[chosen], last_of(*ends))), strict=True)
        name = relationship_of(EdgeType(graph.node_types[first], graph.relations[code], graph.node_types[second]))
        query = (
            "UNWIND $rows AS r MATCH (a:Item {item: r[0]}), (b:Item {item: r[1]}) "
            f"CREATE (a)-[e:{name} {{weight: r[2], listeners: 1}}]->(b) "
            "SET e.last = CASE WHEN r[3] > 0 THEN datetime({epochSeconds: r[3]}) END"
        )
        driver.execute_query(query, rows=[list(row) for row in rows])
    driver.execute_query("MERGE (g:CoListeningGraph) SET g.version = $version, g.complete = true", version=version)
