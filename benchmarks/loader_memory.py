"""What streaming under a budget takes, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from benchmarks.loader_graphs import NAMES, batches_of, random_graph
from colisten.graph_store.endpoint import Endpoint
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.graph_store.stream.streaming import stream

_PASSWORD = "BENCHMARK_PASSWORD"  # noqa: S105 the name of a variable
_BATCHES = 96


@dataclass(frozen=True)
class Taken:
    """MiB."""

    budget: int
    opened: int
    """What an opened graph takes: node types, numbers, degrees, places of rows. It counts against the budget."""
    peak: int
    """At most, of an opened graph and streaming from it."""
    kept: int
    """Rows in the cache at the end."""


def streaming_memory(endpoint: Endpoint, cache_mb: int) -> Taken:
    """The first batches of an epoch, two hops of ten neighbours per type, made and let go; without features."""
    environment = os.environ | {_PASSWORD: endpoint.password.get_secret_value()}
    command = [sys.executable, "-W", "ignore", __file__, endpoint.uri, endpoint.user, str(cache_mb)]
    return Taken(**json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout))


def _resident(field: str) -> int:
    """MiB that the kernel tells of this process: `VmRSS` now, `VmHWM` at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) // 1024


def _made(adjacency: Adjacency, batches: list[Batch]) -> int:
    sampler = NeighbourSampler(adjacency, [10, 10], refill=False)
    made = stream(sampler, batches, lambda _, found: to_hetero_data(found, adjacency).num_edges, prefetch=4)
    return sum(made)


def _compile() -> None:
    """A toy graph has all loops compiled, so that what they take is not counted."""
    graph = random_graph(2_400, (1, 2, 5))
    toy = SnapshotAdjacency.from_edges(
        graph.src, graph.dst, graph.weight, node_type=graph.node_type, node_types=NAMES
    )  # fmt: skip
    _made(toy, batches_of(graph.items, 16))


def _measure(endpoint: Endpoint, cache_mb: int) -> Taken:
    _compile()
    before = _resident("VmRSS")
    with LiveAdjacency.open(endpoint, cache_mb=cache_mb) as live:
        opened = _resident("VmRSS")
        _made(live, batches_of(len(live.node_type), 512, _BATCHES))
        kept = int(live.degrees[live._cache.start >= 0].sum(dtype=np.int64)) * 8 // 2**20
        return Taken(cache_mb, opened - before, _resident("VmHWM") - before, kept)


if __name__ == "__main__":
    uri, user, budget = sys.argv[1:]
    taken = _measure(Endpoint(uri, user, SecretStr(os.environ[_PASSWORD])), int(budget))
    print(json.dumps(vars(taken)))
