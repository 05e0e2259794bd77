"""Batches with features out of Neo4j, beside Neo4j's own proposal for PyG: rows of `way, seeds per second, …`.

    python benchmarks/products.py [--scale .1] [--lists] [--json FILE]

The work is theirs (pyg-team/pytorch_geometric#10752): batch 128, fan-out [10, 5], 100 features of each node read from
the database with the batch, on a graph of ogbn-products' size and degrees (2.4M nodes, 62M edges; `--scale` takes a
part of both). The peer is their way rewritten: one Cypher query draws the neighbourhood inside the database, another
reads the features of its nodes; no procedures of a plugin, no cache, the better of one thread and four. Ours and the
peer take turns on the same batches. Features are float32 bytes, which theirs can read too, or lists with `--lists`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from neo4j import Driver
from torch_geometric.data import HeteroData

from benchmarks.loader_graphs import nodes_of
from colisten.arrays import Floats, Int64s
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.importing import import_graph
from colisten.graph_store.schema import ensure_schema, relationship_of
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.stream.features import FeatureCache, Features
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import batch_key, stream
from colisten.prefetch import prefetch_map
from colisten.progress import Progress
from colisten.settings import Neo4jSettings

NODES, EDGES, WIDTH = 2_449_029, 61_859_140, 100
BATCH, FAN_OUT = 128, (10, 5)
TYPE = "product"
EDGE_TYPE = EdgeType(TYPE, CO_LISTENED, TYPE)
_ROWS_PER_WRITE = 5_000
_MEDIAN_DEGREE = 26


@dataclass(frozen=True)
class Row:
    way: str
    seeds_per_second: float
    nodes_per_batch: float
    ratio: float | None


def write_edges(path: Path, nodes: int, edges: int) -> int:
    """Random edges whose degrees have the median and the mean of ogbn-products (log-normal); gives how many."""
    rng = np.random.default_rng(0)
    sigma = (2 * np.log(2 * edges / nodes / _MEDIAN_DEGREE)) ** 0.5
    wanted = rng.lognormal(np.log(_MEDIAN_DEGREE), sigma, nodes)
    stubs = np.repeat(np.arange(nodes, dtype=np.int32), rng.poisson(wanted * (2 * edges / wanted.sum())))
    rng.shuffle(stubs)
    a, b = stubs[: len(stubs) // 2 * 2].reshape(2, -1)
    keys = np.unique(np.minimum(a, b).astype(np.int64) * nodes + np.maximum(a, b))
    keys = keys[keys // nodes != keys % nodes]
    weight = rng.random(len(keys), np.float32) * 0.99 + 0.01
    ends = {"src": (keys // nodes).astype(np.int32), "dst": (keys % nodes).astype(np.int32)}
    names = {"src_type": TYPE, "dst_type": TYPE, "relation": CO_LISTENED}
    pl.LazyFrame({**ends, "weight": weight}).with_columns(
        **{name: pl.lit(value) for name, value in names.items()}, listeners=pl.lit(1)
    ).sink_parquet(path)
    return len(keys)


def write_features(driver: Driver, features: Floats, lists: bool) -> None:
    """The property `x` of every node."""

    def write(at: int) -> None:
        part = features[at : at + _ROWS_PER_WRITE]
        values = part.astype(np.float64).tolist() if lists else [row.tobytes() for row in part]
        driver.execute_query(
            "UNWIND range(0, size($x) - 1) AS i MATCH (n:Item {item: $at + i}) SET n.x = $x[i]", at=at, x=values
        )

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(write, range(0, len(features), _ROWS_PER_WRITE)):
            pass


def load(server: ManagedServer, folder: Path, scale: float, lists: bool) -> tuple[Endpoint, Floats, int]:
    """The graph in Neo4j; its features, and how many edges it has."""
    nodes = int(NODES * scale)
    edges = write_edges(folder / "edges.parquet", nodes, int(EDGES * scale))
    kinds = np.full(nodes, TYPE)
    import_graph(server, "neo4j", nodes_of(kinds), folder / "edges.parquet", (EDGE_TYPE,), Progress(quiet=True))
    (folder / "edges.parquet").unlink()
    features = np.random.default_rng(1).normal(size=(nodes, WIDTH)).astype(np.float32)
    endpoint = server.start()
    with connect(endpoint) as driver:
        ensure_schema(driver, "neo4j")
        driver.execute_query("CALL db.awaitIndexes(600)")
        write_features(driver, features, lists)
        driver.execute_query("MATCH (g:CoListeningGraph) SET g += {version: 'products', complete: true}")
    return endpoint, features, edges


def _hop(node: str, far: str, fan_out: int) -> str:
    """Neighbours drawn as cheaply as Cypher can: all are collected, some places picked, which may repeat one."""
    return (
        f"CALL ({node}) {{ MATCH ({node})-[:{relationship_of(EDGE_TYPE)}]-(x) WITH collect(x) AS near "
        f"UNWIND CASE WHEN size(near) <= {fan_out} THEN near ELSE "
        f"[i IN range(1, {fan_out}) | near[toInteger(rand() * size(near))]] END AS {far} RETURN {far} }}"
    )


SAMPLE = (
    f"UNWIND $seeds AS seed MATCH (a:Item {{item: seed}}) {_hop('a', 'b', FAN_OUT[0])} "
    "WITH collect(a.item) AS dst1, collect(b.item) AS src1, collect(DISTINCT b) AS frontier "
    f"CALL (frontier) {{ UNWIND frontier AS c {_hop('c', 'd', FAN_OUT[1])} "
    "RETURN collect(c.item) AS dst2, collect(d.item) AS src2 } RETURN dst1, src1, dst2, src2"
)
READ = "UNWIND $ids AS i MATCH (n:Item {item: i}) RETURN i, n.x"


def by_query(driver: Driver, seeds: Int64s) -> HeteroData:
    """Their way: a query for the neighbourhood, a query for the features of its nodes."""
    with driver.session(fetch_size=-1) as session:
        found = session.run(SAMPLE, seeds=seeds.tolist()).single(strict=True)
        ends = np.array([found["src1"] + found["src2"], found["dst1"] + found["dst2"]], np.int64)
        items, inverse = np.unique(np.concatenate([seeds, ends.ravel()]), return_inverse=True)
        rows = session.run(READ, ids=items.tolist()).values()
    x = np.empty((len(items), WIDTH), np.float32)
    packed = isinstance(rows[0][1], bytes)
    values = [np.frombuffer(value, np.float32) if packed else value for _, value in rows]
    x[np.searchsorted(items, [item for item, _ in rows])] = np.asarray(values, np.float32)
    data = HeteroData()
    data[TYPE].x, data[TYPE].n_id = torch.from_numpy(x), torch.from_numpy(items)
    data[TYPE, CO_LISTENED, TYPE].edge_index = torch.from_numpy(inverse[len(seeds) :].reshape(2, -1))
    return data


def rate(batches: Iterator[HeteroData]) -> tuple[float, float]:
    """Seeds per second after the first batch, and nodes per batch."""
    next(batches)
    begin, nodes = time.perf_counter(), [sum(part.shape[0] for part in data.x_dict.values()) for data in batches]
    return BATCH * len(nodes) / (time.perf_counter() - begin), statistics.fmean(nodes)


def measure(
    endpoint: Endpoint, features: Floats, folder: Path, cache_mb: int, budget: int, seconds: float
) -> list[Row]:
    """Ours with a features cache, with next to none and over a memory-mapped file, and the peer, in turns."""
    begin = time.perf_counter()
    graph = LiveAdjacency.open(endpoint, cache_mb=cache_mb)
    print(f"opened in {time.perf_counter() - begin:.0f} s", flush=True)
    begin = time.perf_counter()
    graph.neighbours(np.random.default_rng(3).permutation(len(graph.node_type))[: len(graph.node_type) // 8])
    print(f"topology read in {time.perf_counter() - begin:.0f} s; {graph._cache.used * 8 / 2**20:.0f} MiB", flush=True)
    np.save(folder / "x.npy", features)
    mapped = np.load(folder / "x.npy", mmap_mode="r")
    order = np.random.default_rng(2).permutation(len(features))
    sampler, turns = NeighbourSampler(graph, FAN_OUT), iter(range(1_000_000))

    def seeds(count: int) -> list[Int64s]:
        turn = next(turns)
        return [order[(turn * 997 + i) * BATCH % (len(order) - BATCH) :][:BATCH] for i in range(count)]

    def ours(given: Features, count: int) -> tuple[float, float]:
        batches = [Batch(part, batch_key(0, 0, place)) for place, part in enumerate(seeds(count + 1))]
        return rate(stream(sampler, batches, lambda _, found: to_hetero_data(found, graph, given), prefetch=4))

    def theirs(driver: Driver, threads: int, count: int) -> tuple[float, float]:
        batches = prefetch_map(partial(by_query, driver), seeds(count + 1), threads=threads, depth=threads - 1 and 8)
        return rate(iter(batches))

    cache, none = (graph.stream_property("x", cache_mb=size) for size in (budget, 1))
    probe = next(iter(seeds(1)))
    np.testing.assert_array_equal(cache(probe), features[probe])
    with graph, connect(endpoint) as driver:
        ways: dict[str, Callable[[int], tuple[float, float]]] = {
            "peer: Cypher, one thread": partial(theirs, driver, 1),
            "peer: Cypher, four threads": partial(theirs, driver, 4),
            "ours, features not kept": partial(ours, none),
            f"ours, {budget} MiB of features kept": partial(ours, cache),
            f"ours, {budget} MiB kept over a memory-mapped file": partial(
                ours, FeatureCache(mapped, graph, cache_mb=budget)
            ),
        }
        ours(cache, max(8, int(2 * len(features) // BATCH // 40)))  # fills the cache with what is met first
        found = _in_turns(ways, seconds)
        print(f"rows of the cache known: {cache._known.mean():.0%} of {len(cache._known)}", flush=True)
    peer = max(rate for way, (rate, _) in found.items() if way.startswith("peer"))
    return [
        Row(way, rate, nodes, None if way.startswith("peer") else rate / peer) for way, (rate, nodes) in found.items()
    ]


def _in_turns(ways: dict[str, Callable[[int], tuple[float, float]]], seconds: float) -> dict[str, tuple[float, float]]:
    """The median of three turns of some seconds each."""
    counts = {}
    for name, way in ways.items():
        counts[name] = max(6, int(way(8)[0] / BATCH * seconds / 3))
    turns = [{name: way(counts[name]) for name, way in ways.items()} for _ in range(3)]
    return {
        name: (statistics.median(turn[name][0] for turn in turns), statistics.fmean(turn[name][1] for turn in turns))
        for name in ways
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--lists", action="store_true", help="features as lists of numbers, not as bytes")
    parser.add_argument("--features-mb", type=int, default=128)
    parser.add_argument("--cache-mb", type=int, default=1200, help="of topology, for the whole graph")
    parser.add_argument("--memory-mb", type=int, default=4096, help="of the Neo4j server")
    parser.add_argument("--seconds", type=float, default=30, help="for each way")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = ManagedServer(folder / "neo4j", Neo4jSettings(memory_mb=given.memory_mb), Progress(quiet=True))
        try:
            begin = time.perf_counter()
            endpoint, features, edges = load(server, folder, given.scale, given.lists)
            print(f"{len(features)} nodes, {edges} edges loaded in {time.perf_counter() - begin:.0f} s", flush=True)
            budgets = max(1, round(given.cache_mb * given.scale)), max(1, round(given.features_mb * given.scale))
            rows = measure(endpoint, features, folder, *budgets, given.seconds)
        finally:
            server.stop()
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.1f} × the peer"
        print(f"{row.way:50} {row.seeds_per_second:9,.0f} seeds/s {row.nodes_per_batch:8,.0f} nodes a batch  {ratio}")
    print(f"load of the machine: {os.getloadavg()}")
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
