"""Random co-listening graphs of a given size and imbalance, loaded into a managed Neo4j of their own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Codes, Floats, Int32s
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.server.managed import ManagedServer

NAMES = ("Audiobook", "Podcast")
PAIRS = ((0, 0), (0, 1), (1, 1))
RELATIONSHIPS = tuple(f"CO_LISTENED_{NAMES[a].upper()}_{NAMES[b].upper()}" for a, b in PAIRS)


@dataclass(frozen=True)
class RandomGraph:
    """Edges between two equally large item types, some items more popular than others."""

    src: Int32s
    dst: Int32s
    weight: Floats
    node_type: Codes

    @property
    def items(self) -> int:
        return len(self.node_type)

    def of_pair(self, pair: tuple[int, int]) -> np.ndarray:
        """Which edges join these types."""
        kinds = self.node_type[self.src] + self.node_type[self.dst]
        return kinds == sum(pair)


def random_graph(edges: int, imbalance: tuple[int, int, int], seed: int = 0) -> RandomGraph:
    rng = np.random.default_rng(seed)
    per_type = edges // 48
    ends = []
    for pair, part in zip(PAIRS, imbalance, strict=True):
        count = edges * part // sum(imbalance)
        ends.append([(per_type * rng.random(count) ** 1.5).astype(np.int64) + per_type * kind for kind in pair])
    src, dst = (np.concatenate(side) for side in zip(*ends, strict=True))
    keys = np.unique(np.minimum(src, dst) * (2 * per_type) + np.maximum(src, dst))
    keys = keys[keys // (2 * per_type) != keys % (2 * per_type)]
    rng.shuffle(keys)
    src, dst = (keys // (2 * per_type)).astype(np.int32), (keys % (2 * per_type)).astype(np.int32)
    node_type = (np.arange(2 * per_type) >= per_type).astype(np.uint8)
    return RandomGraph(src, dst, rng.random(len(src), np.float32) * 0.99 + 0.01, node_type)


def load(server: ManagedServer, graph: RandomGraph) -> Endpoint:
    """Replace what the server holds, by the offline importer."""
    server.start()
    with tempfile.TemporaryDirectory() as folder, server.stopped():
        files = _write(Path(folder), graph)
        server.admin("database", "import", "full", "neo4j", "--overwrite-destination", *files)
    endpoint = server.start()
    with connect(endpoint) as driver:
        driver.execute_query("CREATE CONSTRAINT colisten_item IF NOT EXISTS FOR (n:Item) REQUIRE n.item IS UNIQUE")
        driver.execute_query("CALL db.awaitIndexes(600)")
        driver.execute_query("CREATE (:CoListeningGraph {version: $version})", version=f"random-{len(graph.src)}")
    return endpoint


def _write(folder: Path, graph: RandomGraph) -> list[str]:
    files = []
    for kind, name in enumerate(NAMES):
        items = np.flatnonzero(graph.node_type == kind)
        columns = {":ID": items, "item:int": items, "id": [f"{name}-{item}" for item in items]}
        pl.DataFrame(columns).write_csv(folder / f"{name}.csv")
        files.append(f"--nodes=Item:{name}={folder / name}.csv")
    for pair, name in zip(PAIRS, RELATIONSHIPS, strict=True):
        chosen = graph.of_pair(pair)
        columns = {":START_ID": graph.src[chosen], ":END_ID": graph.dst[chosen], "listeners:int": np.ones(chosen.sum())}
        frame = pl.DataFrame(columns).with_columns(pl.col("listeners:int").cast(pl.Int32))
        frame = frame.with_columns(pl.Series("weight:double", graph.weight[chosen].astype(np.float64)))
        frame.write_csv(folder / f"{name}.csv")
        files.append(f"--relationships={name}={folder / name}.csv")
    return files
