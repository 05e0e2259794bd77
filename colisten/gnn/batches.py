"""Training batches: edges of an epoch, streamed as subgraphs and contrasts while the model works on earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from colisten.arrays import Floats, Int32s, Int64s
from colisten.gnn.subgraph import Subgraph, subgraph
from colisten.gnn.supervision import Contrast, Contrasts, Edges, joined
from colisten.graph_store.stream.exclude import HeldOut
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import batch_key, stream


@dataclass(frozen=True)
class Placed:
    """A contrast whose items are places among a subgraph's seeds."""

    anchor: Tensor
    positive: Tensor
    others: Tensor
    log_chance: Tensor
    joined: Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """Everything one step needs."""

    graph: Subgraph
    contrasts: tuple[Placed, ...]

    def to(self, device: torch.device) -> TrainingBatch:
        """The same on another device."""
        moved = [Placed(**{name: value.to(device) for name, value in vars(c).items()}) for c in self.contrasts]
        return TrainingBatch(self.graph.to(device), tuple(moved))


@dataclass(frozen=True)
class Features:
    """What the model is told of each item: its text, and how many neighbours of each node type it has."""

    text: Floats
    degrees: Int32s

    @property
    def width(self) -> int:
        return int(self.text.shape[1] + self.degrees.shape[1])

    def of(self, items: Int64s) -> Floats:
        """[items, width]"""
        return np.concatenate([self.text[items], np.log1p(self.degrees[items], dtype=np.float32)], axis=1)


@dataclass(frozen=True)
class _Asked(Batch):
    """A batch that is to be sampled, and what its loss will compare."""

    contrasts: tuple[Contrast, ...] = ()


@dataclass(frozen=True)
class BatchStream:
    """Makes batches of edges. What a batch holds depends on its edges, the seed and its place, not on threads."""

    sampler: NeighbourSampler
    contrasts: Contrasts
    features: Features
    batch_size: int
    prefetch: int
    unknown: HeldOut | None
    """Edges that do not count as joined (see `supervision.joined`)."""

    def __call__(self, edges: Edges, seed: int, epoch: int) -> Iterator[TrainingBatch]:
        """All edges once, `batch_size` at a time; those of a batch pass no message in it."""
        cuts = range(0, len(edges[0]), self.batch_size)
        parts = [(edges[0][cut : cut + self.batch_size], edges[1][cut : cut + self.batch_size]) for cut in cuts]
        asked = [self._ask(part, batch_key(seed, epoch, place)) for place, part in enumerate(parts)]
        return stream(self.sampler, asked, self._finish, prefetch=self.prefetch)

    def _ask(self, edges: Edges, key: np.uint64) -> _Asked:
        contrasts = self.contrasts.draw(edges, np.random.default_rng(key))
        items = [items for c in contrasts for items in (c.anchor, c.positive, c.others)]
        return _Asked(np.unique(np.concatenate(items)), key, without=edges, contrasts=tuple(contrasts))

    def _finish(self, asked: _Asked, around: Neighbourhood) -> TrainingBatch:
        adjacency = self.sampler.adjacency
        graph = subgraph(around, adjacency, self.features.of)
        order = np.argsort(graph.seeds)

        def places(items: Int64s) -> Tensor:
            return torch.from_numpy(order[np.searchsorted(graph.seeds, items, sorter=order)])

        placed = [
            Placed(
                anchor=places(contrast.anchor),
                positive=places(contrast.positive),
                others=places(contrast.others),
                log_chance=torch.from_numpy(contrast.log_chance),
                joined=torch.from_numpy(joined(adjacency, contrast, self.unknown)),
            )
            for contrast in asked.contrasts
        ]
        return TrainingBatch(graph, tuple(placed))
