"""Training batches: the supervision edges of an epoch, streamed as `HeteroData` with positives and negatives."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from colisten.arrays import Int64s
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.supervision import Contrast, Contrasts, SupervisionEdges, false_negatives
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import batch_key, share_of, stream
from colisten.ragged import offsets


@dataclass(frozen=True)
class SeedContrast:
    """A contrast whose items are rows of the seeds' embeddings (see `model.seed_vectors`)."""

    anchor: Tensor
    positive: Tensor
    negatives: Tensor
    log_chance: Tensor
    false_negatives: Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """The input of one training step."""

    graph: HeteroData
    contrasts: tuple[SeedContrast, ...]

    def to(self, device: torch.device) -> TrainingBatch:
        """The same on another device."""
        moved = [SeedContrast(**{name: value.to(device) for name, value in vars(c).items()}) for c in self.contrasts]
        return TrainingBatch(self.graph.to(device), tuple(moved))


@dataclass(frozen=True)
class _ContrastBatch(Batch):
    """Seeds to sample neighbourhoods of, and the contrasts of their loss."""

    contrasts: tuple[Contrast, ...] = ()
    isolated: Int64s = field(default_factory=lambda: np.empty(0, np.int64))
    """Seeds that receive no message along co-listening edges."""


@dataclass(frozen=True)
class BatchStream:
    """Data loader of training batches; a batch depends on its edges, the seed and its place, not on threads."""

    sampler: NeighbourSampler
    contrasts: Contrasts
    features: NodeFeatures
    batch_size: int
    prefetch: int
    unknown: HeldOutEdges | None
    """Edges that mask no negative (see `supervision.false_negatives`)."""
    isolated_node_rate: float
    """Share of seeds treated as if nobody had heard them: the model learns to place new items by text and relations."""
    rank: int = 0
    world_size: int = 1
    """Of so many processes that step together, this one has every `world_size`-th batch, from `rank` on."""

    def __call__(
        self, epochs: Iterable[tuple[int, SupervisionEdges]], seed: int
    ) -> Generator[TrainingBatch, None, None]:
        """All edges of each numbered epoch once, `batch_size` at a time; those of a batch pass no message in it.

        The first batches of an epoch are made while the model works on the last ones of the epoch before.
        """
        return stream(self.sampler, self._batches(epochs, seed), self._finish, prefetch=self.prefetch)

    def steps(self, edges: SupervisionEdges) -> int:
        """Batches that an epoch of these edges takes."""
        return len(self._places(edges))

    def _places(self, edges: SupervisionEdges) -> Sequence[int]:
        return share_of(range(-(-len(edges[0]) // self.batch_size)), self.rank, self.world_size)

    def _batches(self, epochs: Iterable[tuple[int, SupervisionEdges]], seed: int) -> Iterator[_ContrastBatch]:
        for epoch, (src, dst) in epochs:
            for place in self._places((src, dst)):
                part = slice(place * self.batch_size, (place + 1) * self.batch_size)
                yield self._batch((src[part], dst[part]), batch_key(seed, epoch, place))

    def _batch(self, edges: SupervisionEdges, key: np.uint64) -> _ContrastBatch:
        rng = np.random.default_rng(key)
        contrasts = tuple(self.contrasts.draw(edges, rng))
        seeds = np.unique(np.concatenate([items for c in contrasts for items in (c.anchor, c.positive, c.negatives)]))
        isolated = seeds[rng.random(len(seeds)) < self.isolated_node_rate]
        return _ContrastBatch(seeds, key, without=edges, contrasts=contrasts, isolated=isolated)

    def _finish(self, batch: _ContrastBatch, around: Neighbourhood) -> TrainingBatch:
        adjacency = self.sampler.adjacency
        co_listened, width = adjacency.relations.index(CO_LISTENED), len(adjacency.node_types)
        groups = slice(co_listened * width, (co_listened + 1) * width)
        graph = to_hetero_data(
            _without_messages_to(around, batch.isolated, co_listened),
            adjacency,
            lambda items: self.features.of(items, batch.isolated, groups),
        )
        sampled = around.nodes[: around.nodes_per_hop[0]]
        types = adjacency.node_type[sampled]
        first = offsets(np.bincount(types, minlength=len(adjacency.node_types)))[:-1]
        order, rows = np.argsort(sampled), first[types] + graph.place[: len(sampled)].numpy()

        def rows_of(items: Int64s) -> Tensor:
            return torch.from_numpy(rows[order[np.searchsorted(sampled, items, sorter=order)]])

        contrasts = [
            SeedContrast(
                anchor=rows_of(contrast.anchor),
                positive=rows_of(contrast.positive),
                negatives=rows_of(contrast.negatives),
                log_chance=torch.from_numpy(contrast.log_chance),
                false_negatives=torch.from_numpy(false_negatives(adjacency, contrast, self.unknown)),
            )
            for contrast in batch.contrasts
        ]
        return TrainingBatch(graph, tuple(contrasts))


def _without_messages_to(around: Neighbourhood, isolated: Int64s, relation: int) -> Neighbourhood:
    """The neighbourhood without the edges of one relation that lead to some items."""
    keep = ~np.isin(around.nodes, isolated)[around.dst] | (around.relation != relation)
    per_hop = np.split(keep, np.cumsum(around.edges_per_hop)[:-1])
    return replace(
        around,
        src=around.src[keep],
        dst=around.dst[keep],
        weight=around.weight[keep],
        relation=around.relation[keep],
        edges_per_hop=tuple(int(hop.sum()) for hop in per_hop),
    )
