"""Random graphs for the tests of this room, and what is true of them, said without the code under test."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from neo4j import Driver

from colisten.arrays import Codes, Floats, Int32s
from colisten.graph_store.schema import label_of, relationship_of
from colisten.graph_store.stream.snapshot import SnapshotAdjacency

TYPES = ("audiobook", "podcast", "video")


@dataclass(frozen=True)
class Graph:
    """Some edges between items of some types, each once."""

    src: Int32s
    dst: Int32s
    weight: Floats
    node_type: Codes
    node_types: tuple[str, ...] = TYPES

    def adjacency(self) -> SnapshotAdjacency:
        return SnapshotAdjacency.from_edges(
            self.src, self.dst, self.weight, node_type=self.node_type, node_types=self.node_types, version="v1"
        )

    def networkx(self) -> nx.Graph:
        graph = nx.Graph()
        graph.add_nodes_from((item, {"kind": int(kind)}) for item, kind in enumerate(self.node_type))
        edges = zip(self.src.tolist(), self.dst.tolist(), self.weight.tolist(), strict=True)
        graph.add_weighted_edges_from(edges)
        return graph


def random_graph(items: int, edges: int, seed: int, types: int = 3) -> Graph:
    """Items of interleaved types, some popular, some without edges."""
    rng = np.random.default_rng(seed)
    ends = (items * rng.random((2, edges)) ** 2).astype(np.int64)
    low, high = ends.min(axis=0), ends.max(axis=0)
    keys = np.unique((low * items + high)[low < high])
    rng.shuffle(keys)
    src, dst = (keys // items).astype(np.int32), (keys % items).astype(np.int32)
    weight = rng.random(len(keys), np.float32) * 0.99 + 0.01
    kinds = rng.integers(0, types, items).astype(np.uint8)
    kinds[:types] = np.arange(types)
    return Graph(src, dst, weight.astype(np.float32), kinds, TYPES[:types])


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
    for first, second in {(int(a), int(b)) for a, b in kinds.T}:
        chosen = (kinds[0] == first) & (kinds[1] == second)
        rows = zip(*(array[chosen].tolist() for array in (graph.src, graph.dst, graph.weight)), strict=True)
        name = relationship_of(graph.node_types[first], graph.node_types[second])
        query = (
            "UNWIND $rows AS r MATCH (a:Item {item: r[0]}), (b:Item {item: r[1]}) "
            f"CREATE (a)-[:{name} {{weight: r[2], listeners: 1}}]->(b)"
        )
        driver.execute_query(query, rows=[list(row) for row in rows])
    driver.execute_query("MERGE (g:CoListeningGraph) SET g.version = $version, g.complete = true", version=version)
