"""Random co-listening graphs of a given size and imbalance, loaded into a managed Neo4j of their own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Bools, Codes, Floats, Int32s, Int64s
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.importing import import_graph
from colisten.graph_store.schema import ensure_schema, label_of, relationship_of
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.stream.sampler import Batch
from colisten.graph_store.stream.streaming import batch_key
from colisten.progress import Progress

TYPES = ("audiobook", "podcast")
NAMES = tuple(map(label_of, TYPES))
PAIRS = ((0, 0), (0, 1), (1, 1))
EDGE_TYPES = tuple(EdgeType(TYPES[a], CO_LISTENED, TYPES[b]) for a, b in PAIRS)
RELATIONSHIPS = tuple(map(relationship_of, EDGE_TYPES))


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

    def of_pair(self, pair: tuple[int, int]) -> Bools:
        """Which edges join these types."""
        kinds = self.node_type[self.src] + self.node_type[self.dst]
        chosen: Bools = kinds == sum(pair)
        return chosen


def random_graph(edges: int, imbalance: tuple[int, int, int], seed: int = 0) -> RandomGraph:
    """Edges without any structure but that some items are popular."""
    rng = np.random.default_rng(seed)
    per_type = edges // 48
    ends = []
    for pair, part in zip(PAIRS, imbalance, strict=True):
        count = edges * part // sum(imbalance)
        ends.append([(per_type * rng.random(count) ** 1.5).astype(np.int64) + per_type * kind for kind in pair])
    src, dst = (np.concatenate(side) for side in zip(*ends, strict=True))
    return _distinct(src, dst, per_type, rng)


def community_graph(
    edges: int, imbalance: tuple[int, int, int], seed: int = 0, size: int = 50, inside: float = 0.7
) -> tuple[RandomGraph, Floats]:
    """Edges of which a share stays `inside` communities of `size` items of each type; and texts, [items, 64], that say
    a little of an item's community."""
    rng = np.random.default_rng(seed)
    per_type = edges // 48 // size * size
    ends = []
    for pair, part in zip(PAIRS, imbalance, strict=True):
        count = edges * part // sum(imbalance)
        src, dst = ((per_type * rng.random(count) ** 1.5).astype(np.int64) for _ in pair)
        near = (src // size) * size + (size * rng.random(count) ** 1.5).astype(np.int64)
        dst = np.where(rng.random(count) < inside, near, dst)
        ends.append([src + per_type * pair[0], dst + per_type * pair[1]])
    src, dst = (np.concatenate(side) for side in zip(*ends, strict=True))
    community = np.tile(np.arange(per_type) // size, len(NAMES))
    text = rng.normal(size=(per_type // size, 64))[community] * 0.3 + rng.normal(size=(len(community), 64))
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    return _distinct(src, dst, per_type, rng), text.astype(np.float32)


def _distinct(src: Int64s, dst: Int64s, per_type: int, rng: np.random.Generator) -> RandomGraph:
    items = len(NAMES) * per_type
    keys = np.unique(np.minimum(src, dst) * items + np.maximum(src, dst))
    keys = keys[keys // items != keys % items]
    rng.shuffle(keys)
    weight = rng.random(len(keys), np.float32) * 0.99 + 0.01
    node_type = np.repeat(np.arange(len(NAMES), dtype=np.uint8), per_type)
    return RandomGraph((keys // items).astype(np.int32), (keys % items).astype(np.int32), weight, node_type)


def batches_of(items: int, size: int, count: int | None = None) -> list[Batch]:
    """Batches over all items in random order, or the first `count` of them."""
    order = np.random.default_rng(0).permutation(items)
    parts = [order[at : at + size] for at in range(0, items, size)][:count]
    return [Batch(part, batch_key(7, 0, place)) for place, part in enumerate(parts)]


def load(server: ManagedServer, graph: RandomGraph, relations: tuple[str, ...] = (CO_LISTENED,)) -> Endpoint:
    """Replace what the server holds, as `colisten graph build` writes it: by the offline importer.

    The edges are dealt out to the relations.
    """
    kinds = np.array(TYPES)[graph.node_type]
    edge_types = tuple(EdgeType(one.src, name, one.dst) for name in relations for one in EDGE_TYPES)
    with tempfile.TemporaryDirectory() as folder:
        edges = Path(folder) / "edges.parquet"
        _edges_of(graph, kinds, relations).write_parquet(edges)
        import_graph(server, "neo4j", nodes_of(kinds), edges, edge_types, Progress(quiet=True))
    endpoint = server.start()
    with connect(endpoint) as driver:
        ensure_schema(driver, "neo4j")
        about = {"version": f"random-{len(graph.src)}-{len(relations)}", "relations": list(relations), "complete": True}
        driver.execute_query("MATCH (g:CoListeningGraph) SET g += $about", about=about)
    return endpoint


def nodes_of(kinds: np.ndarray) -> pl.DataFrame:
    items = pl.DataFrame({"item_type": kinds}).with_row_index("item")
    blank: dict[str, pl.DataType] = {
        "title": pl.String(), "language": pl.String(), "published": pl.Date(), "series": pl.String(),
        "series_position": pl.Float64(), "genres": pl.List(pl.String()), "creators": pl.List(pl.String()),
    }  # fmt: skip
    return items.with_columns(
        pl.format("{}-{}", "item_type", "item").alias("id"),
        pl.int_range(pl.len()).over("item_type").alias("row"),
        *(pl.lit(None, kind).alias(name) for name, kind in blank.items()),
        retired=pl.lit(False),
        listeners=pl.lit(1),
    )


def _edges_of(graph: RandomGraph, kinds: np.ndarray, relations: tuple[str, ...]) -> pl.DataFrame:
    dealt = np.array(relations)[np.arange(len(graph.src)) % len(relations)]
    return pl.DataFrame(
        {"src": graph.src, "dst": graph.dst, "src_type": kinds[graph.src], "dst_type": kinds[graph.dst]}
    ).with_columns(relation=dealt, listeners=pl.lit(1), weight=pl.Series(graph.weight))
