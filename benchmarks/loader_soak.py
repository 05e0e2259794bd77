"""Epoch after epoch of the loader on a small graph: does memory, do open files or threads grow?

    python benchmarks/loader_soak.py [--epochs 1000]

By threads: the engine's stream, prefetched, of which every third epoch is left half-way. By workers: PyG's `NodeLoader`
with two worker processes. The graph is streamed from a managed Neo4j of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
from torch_geometric.loader import NodeLoader

from benchmarks.loader_graphs import TYPES, batches_of, load, random_graph
from benchmarks.process_memory import Held, growth, held
from benchmarks.small_world import print_table
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.pyg import DatabaseFeatureStore, DatabaseGraphStore, DatabaseSampler
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.streaming import stream
from colisten.progress import Progress
from colisten.settings import Neo4jSettings

EDGES, WIDTH, BATCH = 4_800, 16, 32


def by_threads(live: LiveAdjacency) -> Callable[[int], None]:
    """An epoch of the engine's own stream."""
    features = np.random.default_rng(1).random((len(live.node_type), WIDTH), np.float32)
    sampler, batches = NeighbourSampler(live, [5, 5]), batches_of(len(live.node_type), BATCH)

    def epoch(number: int) -> None:
        wanted = len(batches) // 2 if number % 3 == 0 else len(batches)
        with closing(
            stream(sampler, batches, lambda _, found: to_hetero_data(found, live, features), prefetch=4)
        ) as made:
            assert len(list(islice(made, wanted))) == wanted

    return epoch


def by_workers(live: LiveAdjacency) -> Callable[[int], None]:
    """An epoch of PyG's loader, whose worker processes come and go with it."""
    features = np.random.default_rng(1).random((len(live.node_type), WIDTH), np.float32)
    graph = DatabaseGraphStore(live)
    loader = NodeLoader(
        (DatabaseFeatureStore(live, {"x": features}), graph), DatabaseSampler(graph, fan_out=(5, 5)),
        live.node_types[0], batch_size=BATCH, num_workers=2,
    )  # fmt: skip

    def epoch(_: int) -> None:
        assert len(list(loader)) == len(loader)

    return epoch


def soaked(name: str, epoch: Callable[[int], None], epochs: int) -> list[dict[str, object]]:
    """Look at this process some hundred times over the epochs."""
    looks: list[Held] = []
    for number in range(epochs):
        epoch(number)
        if number % max(1, epochs // 200) == 0:
            looks.append(held())
            print(f"{name} {number}: {looks[-1]}", file=sys.stderr, flush=True)
    return [{"loader": f"{name}, {epochs} epochs", **row} for row in growth(looks)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1000)
    epochs = parser.parse_args().epochs
    with tempfile.TemporaryDirectory() as folder:
        server = ManagedServer(Path(folder) / "neo4j", Neo4jSettings(memory_mb=512), Progress(quiet=True))
        try:
            endpoint = load(server, random_graph(EDGES, (1, 2, 5)))
            with LiveAdjacency.open(endpoint, cache_mb=1) as live:
                assert len(live.node_types) == len(TYPES)
                rows = soaked("threads", by_threads(live), epochs) + soaked("workers", by_workers(live), epochs)
        finally:
            server.stop()
    print_table(rows)


if __name__ == "__main__":
    main()
