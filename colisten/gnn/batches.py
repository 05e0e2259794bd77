"""Training batches: edges of an epoch, streamed as subgraphs and contrasts while the model works on earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from colisten.arrays import Floats, Int32s, Int64s
from colisten.gnn.subgraph import Subgraph, subgraph
from colisten.gnn.supervision import Contrast, Contrasts, Edges
from colisten.graph_store.stream.ahead import ahead
from colisten.graph_store.stream.keys import key_of
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler

_THREADS = 2


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
class BatchStream:
    """Makes batches of edges. What a batch holds depends on its edges, the seed and its place, not on threads."""

    sampler: NeighbourSampler
    contrasts: Contrasts
    features: Features
    batch_size: int
    prefetch: int

    def __call__(self, edges: Edges, seed: tuple[int, ...]) -> Iterator[TrainingBatch]:
        """All edges once, `batch_size` at a time; those of a batch pass no message in it."""
        cuts = [slice(start, start + self.batch_size) for start in range(0, len(edges[0]), self.batch_size)]
        jobs = [(place, (edges[0][cut], edges[1][cut])) for place, cut in enumerate(cuts)]
        together = max(1, self.sampler.adjacency.together)
        groups = [jobs[start : start + together] for start in range(0, len(jobs), together)]
        depth = -(-self.prefetch // together)
        for batches in ahead(lambda group: self._make(group, seed), groups, threads=_THREADS, depth=depth):
            yield from batches

    def _make(self, jobs: list[tuple[int, Edges]], seed: tuple[int, ...]) -> list[TrainingBatch]:
        rngs = [np.random.default_rng((*seed, place)) for place, _ in jobs]
        contrasts = [self.contrasts.of(edges, rng) for (_, edges), rng in zip(jobs, rngs, strict=True)]
        seeds = [_items_of(found) for found in contrasts]
        asked = [
            Batch(items, key_of(rng), without=edges) for items, rng, (_, edges) in zip(seeds, rngs, jobs, strict=True)
        ]
        found = self.sampler.sample_together(asked)
        return [
            TrainingBatch(self._subgraph(around), tuple(_placed(contrast, items) for contrast in made))
            for around, made, items in zip(found, contrasts, seeds, strict=True)
        ]

    def _subgraph(self, around: Neighbourhood) -> Subgraph:
        adjacency = self.sampler.adjacency
        kind = adjacency.node_type[around.nodes]
        return subgraph(around, kind, len(adjacency.node_types), self.features.of(around.nodes))


def _items_of(contrasts: list[Contrast]) -> Int64s:
    return np.unique(np.concatenate([items for c in contrasts for items in (c.anchor, c.positive, c.others)]))


def _placed(contrast: Contrast, seeds: Int64s) -> Placed:
    places = {name: np.searchsorted(seeds, getattr(contrast, name)) for name in ("anchor", "positive", "others")}
    others = {"log_chance": contrast.log_chance, "joined": contrast.joined}
    return Placed(**{name: torch.from_numpy(value) for name, value in (places | others).items()})
