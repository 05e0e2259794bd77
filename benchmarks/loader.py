"""How fast neighbourhoods come out of Neo4j, beside what others do: rows of `measure, ours, peer, ratio`.

    python benchmarks/loader.py [--json FILE] [--graphs 2.4M:1:2:5,…] [--repeat 5] [--balance-seconds 300]

Ours and the peer take turns, so that both see the same machine. Rates are edges per second into `HeteroData` with 64
features: two hops, fan-out 10 per edge type, batch 512. A first epoch begins after the graph has been opened.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import HeteroData
from torch_geometric.typing import WITH_TORCH_SPARSE

from benchmarks.loader_balance import balanced_against_unbalanced
from benchmarks.loader_graphs import RandomGraph, batches_of, load, random_graph
from benchmarks.loader_memory import streaming_memory
from benchmarks.loader_peers import cypher_batches, in_memory, neighbour_loaders, read_some
from colisten.arrays import Floats
from colisten.cores import torch_threads
from colisten.gnn.lightning_module import GnnTraining
from colisten.gnn.model import ModelSpec
from colisten.gnn.node_features import NodeFeatures
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.export import export_snapshot
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import stream
from colisten.progress import Progress
from colisten.relations import BUILT_IN, CO_LISTENED
from colisten.settings import GnnSettings, Neo4jSettings

FAN_OUT = [10, 10]
BATCH = 512
WIDTH = 64
QUIET = Progress(quiet=True)
MISSING = """PyG's NeighborLoader needs torch-sparse here, and it is not installed: its rows stay empty. It is no
dependency of ours; build it into a folder of its own (minutes) and name the folder on PYTHONPATH:
    .uv/bin/uv pip install --target FOLDER --no-deps --no-build-isolation torch-sparse torch-scatter"""


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


def peers_in_memory(graph: RandomGraph, features: Floats) -> list[Callable[[], float]]:
    """Measures of PyG's loader with 0, 2 and 4 workers; none without torch-sparse."""
    if not WITH_TORCH_SPARSE:
        return []
    loaders = neighbour_loaders(in_memory(graph, features), FAN_OUT, BATCH)
    return [partial(steady_rate, each, 32) for each in loaders]


def fresh(endpoint: Endpoint, cache_mb: int = 4096) -> LiveAdjacency:
    return LiveAdjacency.open(endpoint, cache_mb=cache_mb)


def budget_of(graph: RandomGraph, share: float) -> int:
    """MiB for `share` of the adjacency, what is kept per item included."""
    return max(1, round((2 * len(graph.src) * 8 * share + graph.items * 37) / 2**20))


def rates(name: str, graph: RandomGraph, endpoint: Endpoint, folder: Path, repeat: int) -> Iterator[Row]:
    features = np.random.default_rng(1).random((graph.items, WIDTH), np.float32)
    peers = peers_in_memory(graph, features)
    snapshot = export_snapshot(endpoint, folder, QUIET)
    some = batches_of(graph.items, BATCH, 33)
    list(hetero(snapshot, features, some[:2]))
    with fresh(endpoint) as live:
        live.neighbours(np.arange(graph.items))
        warm, single, mapped, *pyg = median_of(
            repeat,
            lambda: steady_rate(hetero(live, features, some), 32),
            lambda: steady_rate(hetero(live, features, some, 0), 32),
            lambda: steady_rate(hetero(snapshot, features, some), 32),
            *peers,
        )
    best = max(pyg, default=None)
    yield row(name, "edges/s, cache warm, against NeighborLoader", warm, best)
    yield row(name, "edges/s, cache warm, no threads, against NeighborLoader", single, best)
    yield row(name, "edges/s, snapshot, against NeighborLoader", mapped, best)
    yield from cold_rates(name, graph, endpoint, features, peers, min(repeat, 3))


def cold_rates(
    name: str, graph: RandomGraph, endpoint: Endpoint, features: Floats, peers: list[Callable[[], float]], repeat: int
) -> Iterator[Row]:
    batches = batches_of(graph.items, BATCH)

    def small() -> float:
        with fresh(endpoint, budget_of(graph, 0.1)) as live:
            list(hetero(live, features, batches[:16]))
            return rate(hetero(live, features, batches[:32]))

    def by_query() -> float:
        with connect(endpoint) as driver:
            return rate(cypher_batches(driver, graph, features, [batch.seeds for batch in batches[:3]], FAN_OUT))

    cold = partial(_first_epoch, endpoint, features, batches)
    first, limited, query, *pyg = median_of(repeat, cold, small, by_query, *peers)
    yield row(name, "edges/s, first epoch, cache cold, against NeighborLoader", first, max(pyg, default=None))
    yield row(name, "edges/s, first epoch, cache cold, against one query a batch", first, query)
    yield row(name, "edges/s, cache for 10 % of rows, against one query a batch", limited, query)


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
    """The share of three epochs of real training in which it waits for the next batch; one epoch goes before them."""
    options = GnnSettings()
    text = np.random.default_rng(1).random((graph.items, 384), np.float32)
    with fresh(endpoint) as live, torch_threads():
        live.neighbours(np.arange(graph.items))
        width = NodeFeatures(text, live.degrees).width
        model = ModelSpec.of(options, live.node_types, live.relations, width, seed=7).build()
        training = GnnTraining(model, live, text, options, seed=7)
        optimiser = training.configure_optimizers()["optimizer"]
        steps, batches = training.training_stream.steps(training.edges_of(0)), training.epochs(0)
        waited, begin = 0.0, time.perf_counter()
        for step in range(4 * steps):
            if step == steps:
                waited, begin = 0.0, time.perf_counter()
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            optimiser.zero_grad()
            torch.autograd.backward(training.loss(batch).mean())
            optimiser.step()
        batches.close()
        yield row(name, "share of training epochs spent waiting for data", waited / (time.perf_counter() - begin))


def memory(name: str, endpoint: Endpoint) -> Iterator[Row]:
    for cache_mb in (32, 128):
        taken = streaming_memory(endpoint, cache_mb)
        yield row(name, f"MiB at the peak, with a budget of {cache_mb} MiB", taken.peak, cache_mb)
        yield row(name, f"MiB of it per item, budget {cache_mb}", taken.opened)
        yield row(name, f"MiB of it rows in the cache, budget {cache_mb}", taken.kept)
        yield row(name, f"MiB of it work under way, budget {cache_mb}", taken.peak - taken.opened - taken.kept)


def several_relations(name: str, graph: RandomGraph, server: ManagedServer, repeat: int) -> Iterator[Row]:
    """The same edges dealt out to four relations, beside them as one; what the server holds is replaced."""
    features = np.random.default_rng(1).random((graph.items, WIDTH), np.float32)
    batches, some = batches_of(graph.items, BATCH), batches_of(graph.items, BATCH, 33)
    cold, measures = [], []
    with tempfile.TemporaryDirectory() as folder:
        for relations in (BUILT_IN, (CO_LISTENED,)):
            endpoint = load(server, graph, relations)
            snapshot = export_snapshot(endpoint, Path(folder) / str(len(relations)), QUIET)
            measures.append(partial(_steady, snapshot, features, some))
            cold += median_of(min(repeat, 3), partial(_first_epoch, endpoint, features, batches))
        warm = median_of(repeat, *measures)
    yield row(name, "edges/s, snapshot, four relations against one", *warm)
    yield row(name, "edges/s, first epoch, cache cold, four relations against one", *cold)


def _steady(adjacency: Adjacency, features: Floats, batches: list[Batch]) -> float:
    return steady_rate(hetero(adjacency, features, batches), len(batches) - 1)


def _first_epoch(endpoint: Endpoint, features: Floats, batches: list[Batch]) -> float:
    with fresh(endpoint) as live:
        return rate(hetero(live, features, batches))


def balance(seconds: float) -> Iterator[Row]:
    imbalance, edges = (1, 20, 200), 600_000
    for measured in balanced_against_unbalanced(edges, imbalance, seconds):
        yield row("0.6M:1:20:200", *measured)


def opening(name: str, graph: RandomGraph, endpoint: Endpoint) -> Iterator[Row]:
    for server in ("that has just started", "that has answered before"):
        begin = time.perf_counter()
        fresh(endpoint).close()
        seconds = time.perf_counter() - begin
        yield row(name, f"items/s opened, by a server {server}", graph.items / seconds)


def measure(names: list[str], repeat: int, memory_mb: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        server = ManagedServer(Path(folder) / "neo4j", Neo4jSettings(memory_mb=memory_mb), QUIET)
        try:
            for name in names:
                size, a, b, c = name.split(":")
                graph = random_graph(int(float(size.rstrip("M")) * 1e6), (int(a), int(b), int(c)))
                endpoint = load(server, graph)
                place = Path(folder) / name.replace(":", "-")
                yield from opening(name, graph, endpoint)
                yield from exporting(name, graph, endpoint, Path(folder), repeat)
                yield from rates(name, graph, endpoint, place, repeat)
                yield from waiting(name, graph, endpoint)
                yield from memory(name, endpoint)
                yield from several_relations(name, graph, server, repeat)
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--graphs", default="0.6M:1:2:5,2.4M:1:2:5,2.4M:1:20:200,20M:1:2:5,20M:1:20:200")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--memory-mb", type=int, default=4096, help="of the Neo4j server")
    parser.add_argument("--balance-seconds", type=float, default=300, help="for each way of training; 0 leaves it out")
    given = parser.parse_args()
    if not WITH_TORCH_SPARSE:
        print(MISSING, file=sys.stderr)
    rows = list(measure([name for name in given.graphs.split(",") if name], given.repeat, given.memory_mb))
    if given.balance_seconds:
        rows += balance(given.balance_seconds)
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
