"""How fast neighbourhoods come out of Neo4j, beside what others do: rows of `measure, ours, peer, ratio`.

    python benchmarks/loader.py [--json FILE] [--graphs 2.4M:1:2:5,…] [--repeat 5]

The PyG peer needs torch-sparse, which is no dependency of ours: build it into a folder of its own, `pip install
--target FOLDER --no-deps --no-build-isolation torch-sparse torch-scatter`, and set PYTHONPATH to it. Without it those
rows have no peer. Ours and the peer take turns, so that both see the same machine. Rates are edges per second into
`HeteroData` with features: two hops, fan-out 10 per edge type, batch 512.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from loader_graphs import RandomGraph, load, random_graph
from loader_peers import cypher_batches, in_memory, neighbour_loader, read_some
from torch_geometric.data import HeteroData
from torch_geometric.typing import WITH_TORCH_SPARSE

from colisten.arrays import Floats
from colisten.gnn.features import Features
from colisten.gnn.hgnn import HGNN, Shape
from colisten.gnn.module import HgnnTraining
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.export import export_snapshot
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import batch_key, stream
from colisten.progress import Progress
from colisten.settings import Gnn, Neo4j

FAN_OUT = [10, 10]
BATCH = 512
WIDTH = 64
QUIET = Progress(quiet=True)


@dataclass(frozen=True)
class Row:
    graph: str
    measure: str
    ours: float
    peer: float | None
    ratio: float | None


def median_of(repeat: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each, measured in turns."""
    found = [[measure() for measure in measures] for _ in range(repeat)]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def row(graph: str, measure: str, ours: float, peer: float | None = None) -> Row:
    found = Row(graph, measure, ours, peer, ours / peer if peer else None)
    numbers = [f"{value:,.3g}" if value is not None and value < 1000 else f"{value:,.0f}" if value is not None else "–"
               for value in (found.ours, found.peer, found.ratio)]  # fmt: skip
    print(f"{graph:14} {measure:58} {numbers[0]:>14} {numbers[1]:>14} {numbers[2]:>8}", flush=True)
    return found


def epoch(items: int, count: int | None = None) -> list[Batch]:
    """Batches over all items in random order, or the first `count` of them."""
    order = np.random.default_rng(0).permutation(items)
    parts = [order[at : at + BATCH] for at in range(0, items, BATCH)][:count]
    return [Batch(part, batch_key(7, 0, place)) for place, part in enumerate(parts)]


def hetero(adjacency: Adjacency, features: Floats, batches: list[Batch], prefetch: int = 4) -> Iterator[HeteroData]:
    sampler = NeighbourSampler(adjacency, FAN_OUT, refill=False)
    return stream(sampler, batches, lambda _, found: to_hetero_data(found, adjacency, features), prefetch=prefetch)


def edges_of(data: HeteroData) -> int:
    return sum(ends.shape[1] for ends in data.edge_index_dict.values())


def rate(batches: Iterable[HeteroData]) -> float:
    """Edges per second, from the request on."""
    begin = time.perf_counter()
    edges = sum(map(edges_of, batches))
    return edges / (time.perf_counter() - begin)


def steady_rate(batches: Iterable[HeteroData], count: int) -> float:
    """Edges per second over `count` batches after the first: starting up is left out."""
    source = iter(batches)
    next(source)
    begin = time.perf_counter()
    edges = sum(edges_of(batch) for _, batch in zip(range(count), source, strict=False))
    return edges / (time.perf_counter() - begin)


def neighbour_loader_rate(graph: RandomGraph, features: Floats, repeat: int) -> float | None:
    if not WITH_TORCH_SPARSE:
        return None
    data = in_memory(graph, features)
    loaders = [neighbour_loader(data, FAN_OUT, BATCH, workers) for workers in (0, 2, 4)]
    return max(median_of(repeat, *(lambda each=each: steady_rate(each, 32) for each in loaders)))


def fresh(endpoint: Endpoint, cache_mb: int = 4096) -> LiveAdjacency:
    return LiveAdjacency.open(endpoint, cache_mb=cache_mb)


def budget_of(graph: RandomGraph, share: float) -> int:
    """MiB for `share` of the adjacency, what is kept per item included."""
    return max(1, round((2 * len(graph.src) * 8 * share + graph.items * 37) / 2**20))


def rates(name: str, graph: RandomGraph, endpoint: Endpoint, folder: Path, repeat: int) -> Iterator[Row]:
    features = np.random.default_rng(1).random((graph.items, WIDTH), np.float32)
    pyg = neighbour_loader_rate(graph, features, repeat)
    all_batches, some = epoch(graph.items), epoch(graph.items, 33)

    def cold() -> float:
        with fresh(endpoint) as live:
            return rate(hetero(live, features, all_batches))

    def by_query() -> float:
        with connect(endpoint) as driver:
            return rate(cypher_batches(driver, graph, features, [batch.seeds for batch in some[:3]], FAN_OUT))

    def small() -> float:
        with fresh(endpoint, budget_of(graph, 0.1)) as live:
            list(hetero(live, features, some[:16]))
            return rate(hetero(live, features, some[:32]))

    list(hetero(export_snapshot(endpoint, folder / "warm", QUIET), features, some[:2]))
    first, limited, query = median_of(min(repeat, 3), cold, small, by_query)
    with fresh(endpoint) as live:
        live.neighbours(np.arange(graph.items))
        warm, single = median_of(
            repeat,
            lambda: steady_rate(hetero(live, features, some), 32),
            lambda: steady_rate(hetero(live, features, some, 0), 32),
        )
    snapshot = export_snapshot(endpoint, folder / "warm", QUIET)
    (mapped,) = median_of(repeat, lambda: steady_rate(hetero(snapshot, features, some), 32))
    yield row(name, "edges/s, cache warm, against NeighborLoader", warm, pyg)
    yield row(name, "edges/s, cache warm, no threads, against NeighborLoader", single, pyg)
    yield row(name, "edges/s, first epoch, cache cold, against NeighborLoader", first, pyg)
    yield row(name, "edges/s, snapshot, against NeighborLoader", mapped, pyg)
    yield row(name, "edges/s, cache for 10 % of rows, against one query a batch", limited, query)
    yield row(name, "edges/s, first epoch, cache cold, against one query a batch", first, query)


def exporting(name: str, graph: RandomGraph, endpoint: Endpoint, folder: Path, repeat: int) -> Iterator[Row]:
    def ours() -> float:
        with tempfile.TemporaryDirectory(dir=folder) as target:
            begin = time.perf_counter()
            export_snapshot(endpoint, Path(target) / "graph", QUIET)
            return len(graph.src) / (time.perf_counter() - begin)

    def one_connection() -> float:
        with connect(endpoint) as driver:
            begin = time.perf_counter()
            return read_some(driver, 4) / (time.perf_counter() - begin)

    yield row(name, "exported edges/s, files written, against one connection", *median_of(repeat, ours, one_connection))


def waiting(name: str, graph: RandomGraph, endpoint: Endpoint) -> Iterator[Row]:
    """The share of an epoch of the real model in which it waits for the next batch; the second epoch is measured."""
    options = Gnn(edges_per_epoch=8_192)
    text = np.random.default_rng(1).random((graph.items, 384), np.float32)
    with fresh(endpoint) as live:
        live.neighbours(np.arange(graph.items))
        shape = Shape(Features(text, live.degrees).width, 2, options.dim, len(options.fan_out), options.aggregate)
        training = HgnnTraining(HGNN(shape), live, text, options, seed=7)
        optimiser = torch.optim.Adam(training.model.parameters())
        waited, begin = 0.0, time.perf_counter()
        batches = training.training_stream(training.edges_of(1), 7, 1)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            optimiser.zero_grad()
            training.loss(batch).mean().backward()
            optimiser.step()
        yield row(name, "share of a training epoch spent waiting for data", waited / (time.perf_counter() - begin))


def resident(field: str) -> int:
    """MiB that the kernel tells of this process: `VmRSS` now, `VmHWM` at most since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) // 1024


def streaming_memory(endpoint: Endpoint, cache_mb: int) -> None:
    """Run in a process of its own: an epoch's first batches under a budget, without features.

    What code, compiled loops and the opened graph take is there before the measurement.
    """
    with fresh(endpoint, 1) as live:
        list(sampled(live, epoch(len(live.node_type), 1)))
    with fresh(endpoint, cache_mb) as live:
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        list(sampled(live, epoch(len(live.node_type), 48)))
        print(json.dumps({"before": before, "peak": resident("VmHWM")}))


def sampled(live: LiveAdjacency, batches: list[Batch]) -> Iterator[int]:
    """Batches made and let go."""
    sampler = NeighbourSampler(live, FAN_OUT, refill=False)
    return stream(sampler, batches, lambda _, found: edges_of(to_hetero_data(found, live)), prefetch=4)


def memory(name: str, endpoint: Endpoint, cache_mb: int = 32) -> Iterator[Row]:
    given = [endpoint.uri, endpoint.user, str(cache_mb)]
    environment = os.environ | {"BENCHMARK_PASSWORD": endpoint.password.get_secret_value()}
    command = [sys.executable, "-W", "ignore", __file__, "--streaming-memory", *given]
    found = json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)
    yield row(name, f"MiB that streaming with a budget of {cache_mb} MiB adds", found["peak"] - found["before"])


def measure(names: list[str], repeat: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        server = ManagedServer(Path(folder) / "neo4j", Neo4j(memory_mb=2048), QUIET)
        try:
            for name in names:
                size, *imbalance = name.split(":")
                graph = random_graph(int(float(size.rstrip("M")) * 1e6), tuple(map(int, imbalance)))
                endpoint = load(server, graph)
                place = Path(folder) / name.replace(":", "-")
                yield from exporting(name, graph, endpoint, Path(folder), repeat)
                yield from rates(name, graph, endpoint, place, repeat)
                yield from waiting(name, graph, endpoint)
                yield from memory(name, endpoint)
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--graphs", default="0.6M:1:2:5,2.4M:1:2:5,2.4M:1:20:200,20M:1:2:5,20M:1:20:200")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--streaming-memory", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.streaming_memory:
        uri, user, cache_mb = given.streaming_memory
        from pydantic import SecretStr

        streaming_memory(Endpoint(uri, user, SecretStr(os.environ["BENCHMARK_PASSWORD"])), int(cache_mb))
        return
    rows = list(measure(given.graphs.split(","), given.repeat))
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
