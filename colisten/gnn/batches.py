"""Training batches: edges of an epoch, streamed as subgraphs and contrasts while the model works on earlier ones."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from colisten.arrays import Int64s
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.subgraph import Subgraph, subgraph
from colisten.gnn.supervision import Contrast, Contrasts, SupervisionEdges, false_negatives
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import batch_key, stream


@dataclass(frozen=True)
class SeedContrast:
    """A contrast whose items are places among a subgraph's seeds."""

    anchor: Tensor
    positive: Tensor
    negatives: Tensor
    log_chance: Tensor
    false_negatives: Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """Everything one step needs."""

    graph: Subgraph
    contrasts: tuple[SeedContrast, ...]

    def to(self, device: torch.device) -> TrainingBatch:
        """The same on another device."""
        moved = [SeedContrast(**{name: value.to(device) for name, value in vars(c).items()}) for c in self.contrasts]
        return TrainingBatch(self.graph.to(device), tuple(moved))


@dataclass(frozen=True)
class _Asked(Batch):
    """A batch that is to be sampled, and what its loss will compare."""

    contrasts: tuple[Contrast, ...] = ()
    isolated: Int64s = field(default_factory=lambda: np.empty(0, np.int64))
    """Seeds that hear nobody."""


@dataclass(frozen=True)
class BatchStream:
    """Makes batches of edges. What a batch holds depends on its edges, the seed and its place, not on threads."""

    sampler: NeighbourSampler
    contrasts: Contrasts
    features: NodeFeatures
    batch_size: int
    prefetch: int
    unknown: HeldOutEdges | None
    """Edges that do not count as joined (see `supervision.false_negatives`)."""
    isolated: float
    """Share of seeds treated as if they had no edges, so that the model learns what to make of such items."""

    def __call__(
        self, epochs: Iterable[tuple[int, SupervisionEdges]], seed: int
    ) -> Generator[TrainingBatch, None, None]:
        """All edges of each numbered epoch once, `batch_size` at a time; those of a batch pass no message in it.

        The first batches of an epoch are made while the model works on the last ones of the epoch before.
        """
        return stream(self.sampler, self._asked(epochs, seed), self._finish, prefetch=self.prefetch)

    def steps(self, edges: SupervisionEdges) -> int:
        """Batches that an epoch of these edges takes."""
        return -(-len(edges[0]) // self.batch_size)

    def _asked(self, epochs: Iterable[tuple[int, SupervisionEdges]], seed: int) -> Iterator[_Asked]:
        for epoch, (src, dst) in epochs:
            for place, cut in enumerate(range(0, len(src), self.batch_size)):
                part = slice(cut, cut + self.batch_size)
                yield self._ask((src[part], dst[part]), batch_key(seed, epoch, place))

    def _ask(self, edges: SupervisionEdges, key: np.uint64) -> _Asked:
        rng = np.random.default_rng(key)
        contrasts = tuple(self.contrasts.draw(edges, rng))
        seeds = np.unique(np.concatenate([items for c in contrasts for items in (c.anchor, c.positive, c.negatives)]))
        isolated = seeds[rng.random(len(seeds)) < self.isolated]
        return _Asked(seeds, key, without=edges, contrasts=contrasts, isolated=isolated)

    def _finish(self, asked: _Asked, around: Neighbourhood) -> TrainingBatch:
        adjacency = self.sampler.adjacency
        graph = subgraph(
            _silenced(around, asked.isolated), adjacency, lambda items: self.features.of(items, asked.isolated)
        )
        order = np.argsort(graph.seeds)

        def places(items: Int64s) -> Tensor:
            return torch.from_numpy(order[np.searchsorted(graph.seeds, items, sorter=order)])

        placed = [
            SeedContrast(
                anchor=places(contrast.anchor),
                positive=places(contrast.positive),
                negatives=places(contrast.negatives),
                log_chance=torch.from_numpy(contrast.log_chance),
                false_negatives=torch.from_numpy(false_negatives(adjacency, contrast, self.unknown)),
            )
            for contrast in asked.contrasts
        ]
        return TrainingBatch(graph, tuple(placed))


def _silenced(around: Neighbourhood, isolated: Int64s) -> Neighbourhood:
    """Without the messages to some items."""
    keep = ~np.isin(around.nodes, isolated)[around.dst]
    per_hop = np.split(keep, np.cumsum(around.edges_per_hop)[:-1])
    return replace(
        around,
        src=around.src[keep],
        dst=around.dst[keep],
        weight=around.weight[keep],
        edges_per_hop=tuple(int(hop.sum()) for hop in per_hop),
    )
