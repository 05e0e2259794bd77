"""Small graphs and texts of which it is known what a model must make."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.listening.data import ListeningData
from colisten.settings import GnnSettings
from tests.worlds import write_listening

TYPES = ("audiobook", "podcast")
QUICK = GnnSettings(
    dim=16,
    loss="softmax",
    batch_size=128,
    negatives=16,
    isolated_node_rate=0.1,
    learning_rate=1e-2,
    max_epochs=30,
    validation=0.05,
    prefetch=2,
)


def graph(
    edges: Sequence[tuple[int, int]],
    node_type: Sequence[int],
    names: Sequence[str] = TYPES,
    weights: Floats | None = None,
) -> SnapshotAdjacency:
    src, dst = np.array(edges, np.int32).reshape(-1, 2).T
    weight = np.ones(len(src), np.float32) if weights is None else weights
    return SnapshotAdjacency.from_edges(
        np.ascontiguousarray(src), np.ascontiguousarray(dst), weight,
        node_type=np.array(node_type, np.uint8), node_types=tuple(names), version="1",
    )  # fmt: skip


def cliques(size: int = 24, extra: int = 0) -> tuple[SnapshotAdjacency, Floats, Int64s]:
    """Two communities in which everything is joined to everything; (graph, text, community of each item).

    `extra` items of the first node type follow, without edges, by turns with the text of the one and the other.
    """
    items = 2 * size + extra
    community = np.arange(items) % 2
    edges = [pair for pair in combinations(range(2 * size), 2) if community[pair[0]] == community[pair[1]]]
    node_type = (np.arange(items) // 2) % 2
    node_type[2 * size :] = 0
    rng = np.random.default_rng(1)
    text = rng.normal(size=(items, 8)) * 0.25 + np.where(community, 1.0, -1.0)[:, None] * np.eye(8)[0]
    return graph(edges, node_type.tolist()), text.astype(np.float32), community


def random_graph(
    items: int, edges: int, node_type: Sequence[int], names: Sequence[str], seed: int = 0
) -> SnapshotAdjacency:
    """A graph whose degrees are skewed and whose weights differ."""
    rng = np.random.default_rng(seed)
    skew = (1 / np.arange(1, items + 1)) / (1 / np.arange(1, items + 1)).sum()
    pairs = {(min(a, b), max(a, b)) for a, b in rng.choice(items, (edges, 2), p=skew).tolist() if a != b}
    chosen = sorted(pairs)
    return graph(chosen, node_type, names, rng.uniform(0.1, 1, len(chosen)).astype(np.float32))


def joined(adjacency: SnapshotAdjacency) -> Bools:
    """[items, items] whether two items are joined."""
    out = np.zeros((len(adjacency.node_type),) * 2, np.bool_)
    for item in range(len(out)):
        out[item, adjacency.items[adjacency.indptr[item] : adjacency.indptr[item + 1]]] = True
    return out


def listening(
    folder: Path, item_types: Sequence[str], streams: Sequence[int], **columns: Sequence[object]
) -> ListeningData:
    """A folder with these items, each streamed so often, every time by another user."""
    events = [(user, int(item), 0, None) for user, item in enumerate(np.repeat(np.arange(len(item_types)), streams))]
    return write_listening(folder, item_types, events, items=columns, signals=("stream",))
