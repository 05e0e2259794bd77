"""The LightningModule of graph model training: batches, loss and optimiser of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

from colisten.arrays import Floats
from colisten.gnn.batches import BatchStream, SeedContrast, TrainingBatch
from colisten.gnn.losses import margin_loss, softmax_loss
from colisten.gnn.model import seed_vectors
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.supervision import (
    Contrasts,
    SupervisionEdges,
    chance_of_positive,
    draw_epoch,
    edges_per_type,
    edges_to_draw,
)
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.settings import GnnSettings

_VALIDATION = 1 << 40
"""An epoch number that training never reaches: what is random in the validation batches comes from it."""

_WARM_UP = 30
"""Steps over which the learning rate rises: at once at its full height, Adam's first steps shift every hidden unit of a
large sparse graph below zero, where nothing is learned any more."""

_BATCHES_PER_EPOCH = 10
"""At least so many: a small graph is learned by smaller steps, not by fewer."""


@dataclass(frozen=True)
class _Epoch:
    """An iterable of fixed length over a stream; Lightning begins it more often than it needs to, at no cost."""

    stream: Callable[[], Iterator[TrainingBatch]]
    steps: int

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[TrainingBatch]:
        yield from islice(self.stream(), self.steps)


class GnnTraining(LightningModule):
    """Link-prediction training; random draws depend on the seed and the epoch alone, so that runs can be resumed.

    The held-out edges pass no message and give no supervision, and a batch's own pairs pass none in that batch. Where
    `options.devices` processes step together, a step's edges are shared out among them, so that it is worth one step of
    a single process; each validates on all held-out edges, so that all stop together.
    """

    def __init__(
        self, model: nn.Module, adjacency: Adjacency, text: Floats, options: GnnSettings, seed: int, *, rank: int = 0
    ) -> None:
        super().__init__()
        self.rank = rank
        self.model, self.options, self.random_seed = model, options, seed
        self.sampler = NeighbourSampler(adjacency, options.fan_out, held_out=HeldOutEdges(options.validation, seed))
        counts = edges_per_type(adjacency)
        total = min(options.edges_per_epoch, sum(counts.values()))
        self.shares = edges_to_draw(counts, total, balance=options.balance)
        self.held_out_edges = self._draw_held_out()
        self._running: Generator[TrainingBatch, None, None] | None = None
        self.training_stream = self._stream(text, unknown=self.sampler.held_out, isolated=options.isolated_node_rate)
        self.validation_stream = self._stream(text, unknown=None, isolated=0.0)

    def _draw_held_out(self) -> SupervisionEdges:
        shares = {pair: max(1, round(count * self.options.validation)) for pair, count in self.shares.items()}
        return draw_epoch(self.sampler, shares, self._rng(_VALIDATION), held_out=True)

    def _stream(self, text: Floats, *, unknown: HeldOutEdges | None, isolated: float) -> BatchStream:
        options, adjacency = self.options, self.sampler.adjacency
        members = tuple(np.flatnonzero(adjacency.node_type == code) for code in range(len(adjacency.node_types)))
        chance = chance_of_positive(adjacency, self.shares)
        contrasts = Contrasts(adjacency.node_type, members, chance, options.negatives, options.loss == "softmax")
        features = NodeFeatures(text, adjacency.degrees)
        size = min(options.batch_size, -(-sum(self.shares.values()) // _BATCHES_PER_EPOCH))
        whole = BatchStream(self.sampler, contrasts, features, size, options.prefetch, unknown, isolated)
        if unknown is None:
            return whole
        return replace(whole, batch_size=-(-size // options.devices), rank=self.rank, world_size=options.devices)

    def _rng(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng((self.random_seed, epoch))

    def edges_of(self, epoch: int) -> SupervisionEdges:
        """The supervision edges of an epoch: another draw in each."""
        return draw_epoch(self.sampler, self.shares, self._rng(epoch))

    def epochs(self, begin: int) -> Generator[TrainingBatch, None, None]:
        """The batches of epoch `begin` and of those after it, without end."""
        return self.training_stream(((epoch, self.edges_of(epoch)) for epoch in count(begin)), self.random_seed)

    def _begun(self) -> Generator[TrainingBatch, None, None]:
        if self._running is None:
            self._running = self.epochs(self.current_epoch)
        return self._running

    def close(self) -> None:
        """End the stream of training batches and its threads, after an error too."""
        if self._running:
            self._running.close()

    def train_dataloader(self) -> _Epoch:
        return _Epoch(self._begun, self.training_stream.steps(self.edges_of(0)))

    def val_dataloader(self) -> _Epoch:
        edges = self.held_out_edges
        held_out = [(_VALIDATION, edges)]
        return _Epoch(lambda: self.validation_stream(held_out, self.random_seed), self.validation_stream.steps(edges))

    def loss(self, batch: TrainingBatch) -> Tensor:
        """[rows] of all contrasts together."""
        vectors = seed_vectors(self.model, batch.graph)
        return torch.cat([self._contrast_loss(vectors, contrast) for contrast in batch.contrasts])

    def _contrast_loss(self, vectors: Tensor, contrast: SeedContrast) -> Tensor:
        anchor = vectors[contrast.anchor]
        positive = (anchor * vectors[contrast.positive]).sum(dim=1)
        negatives = anchor @ vectors[contrast.negatives].T
        if self.options.loss == "margin":
            return margin_loss(positive, negatives, contrast.false_negatives, self.options.margin)
        return softmax_loss(
            positive, negatives, contrast.false_negatives, contrast.log_chance, self.options.temperature
        )

    def training_step(self, batch: TrainingBatch) -> Tensor:
        rows = self.loss(batch)
        loss = rows.mean()
        together = self.options.devices > 1
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(rows), sync_dist=together)
        if together:
            # Processes wait for the gradient of every parameter; those of an edge type that a batch lacks have none.
            loss = loss + 0 * torch.stack([weights.sum() for weights in self.parameters()]).sum()
        return loss

    def validation_step(self, batch: TrainingBatch) -> None:
        rows = self.loss(batch)
        self.log("validation", rows.mean(), batch_size=len(rows))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.options.learning_rate)
        rising = LinearLR(optimizer, start_factor=1 / _WARM_UP, total_iters=_WARM_UP)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rising, "interval": "step"}}
