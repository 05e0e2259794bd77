"""Training on equally many edges of every type against training on all edges: time an epoch, time to one quality.

An unbalanced epoch is every edge once. A balanced one is three times the rarest type, drawn anew each epoch (paper
4.1.3). Both train the same model from the same weights with batches of one size and take turns of equally many
seconds, so that both see the same machine. Quality is the share of held-out edges whose end is among the ten best of
hundreds of random items; time for measuring it is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from benchmarks.loader_graphs import NAMES, RandomGraph, community_graph
from colisten.arrays import Floats
from colisten.cores import torch_threads
from colisten.gnn.batches import SeedContrast, TrainingBatch
from colisten.gnn.lightning_module import GnnTraining
from colisten.gnn.model import ModelSpec, seed_vectors
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.supervision import SupervisionEdges, edges_per_type
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.settings import GnnSettings

BATCH = 512
BATCHES_A_TURN = 16
JUDGED = 1024
"""Held-out edges, in random order, that quality is told by."""
SMOOTH = 3
"""Quality is the mean of so many measurements in a row."""
NEAR = 0.99
"""Both have come equally far where they have this share of the best quality that both reach."""


@dataclass
class Run:
    """One way of training, under way."""

    training: GnnTraining
    seconds: float = 0.0
    edges: int = 0
    seen: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """(seconds, quality by each measure) after each turn."""

    def __post_init__(self) -> None:
        self.optimiser = self.training.configure_optimizers()["optimizer"]
        self.batches = self.training.epochs(0)

    def turn(self) -> None:
        begin = time.perf_counter()
        for _ in range(BATCHES_A_TURN):
            self.optimiser.zero_grad()
            torch.autograd.backward(self.training.loss(next(self.batches)).mean())
            self.optimiser.step()
        self.seconds += time.perf_counter() - begin
        self.edges += BATCHES_A_TURN * BATCH

    def smoothed(self, measure: str) -> list[float]:
        found = np.array([quality[measure] for _, quality in self.seen])
        smooth: list[float] = np.convolve(found, np.ones(SMOOTH) / SMOOTH, "valid").tolist()
        return smooth

    def seconds_to(self, measure: str, quality: float) -> float:
        reached = next(at for at, found in enumerate(self.smoothed(measure)) if found >= quality)
        return self.seen[reached + SMOOTH - 1][0]

    @property
    def epoch_seconds(self) -> float:
        """An epoch's share of the time taken so far; a long epoch need not come to its end."""
        return self.seconds / self.edges * sum(self.training.shares.values())


def _training(adjacency: Adjacency, text: Floats, *, balance: bool) -> GnnTraining:
    counts = edges_per_type(adjacency)
    edges = 3 * min(counts.values()) if balance else sum(counts.values())
    options = GnnSettings(balance=balance, edges_per_epoch=edges, batch_size=BATCH)
    width = NodeFeatures(text, adjacency.degrees).width
    model = ModelSpec.of(options, adjacency.node_types, adjacency.relations, width, seed=7).build()
    return GnnTraining(model, adjacency, text, options, seed=7)


def _hits(vectors: torch.Tensor, contrast: SeedContrast) -> torch.Tensor:
    anchor = vectors[contrast.anchor]
    positive = (anchor * vectors[contrast.positive]).sum(dim=1, keepdim=True)
    better = (anchor @ vectors[contrast.negatives].T > positive) & ~contrast.false_negatives
    return (better.sum(dim=1) < 10).float()


@torch.inference_mode()
def _quality(model: nn.Module, batches: Iterator[TrainingBatch]) -> float:
    hits = [_hits(seed_vectors(model, batch.graph), contrast) for batch in batches for contrast in batch.contrasts]
    return float(torch.cat(hits).mean())


def _take_turns(balanced: Run, unbalanced: Run, seconds: float) -> None:
    judge = balanced.training.validation_stream
    alike, of_all = balanced.training.held_out_edges, unbalanced.training.held_out_edges
    judged = {
        "each type alike": alike,
        "audiobook edges": _of_audiobooks(alike, unbalanced.training),
        "each edge alike": of_all,
    }
    while min(balanced.seconds, unbalanced.seconds) < seconds:
        run = min(balanced, unbalanced, key=lambda each: each.seconds)
        run.turn()
        found = {
            name: _quality(run.training.model, judge([(1 << 40, (src[:JUDGED], dst[:JUDGED]))], 7))
            for name, (src, dst) in judged.items()
        }
        run.seen.append((run.seconds, found))


def _of_audiobooks(edges: SupervisionEdges, training: GnnTraining) -> SupervisionEdges:
    chosen = training.sampler.adjacency.node_type[edges[0]] == 0
    return edges[0][chosen], edges[1][chosen]


def balanced_against_unbalanced(
    edges: int, imbalance: tuple[int, int, int], seconds: float
) -> Iterator[tuple[str, float, float]]:
    """(measure, balanced, unbalanced) of the two, trained for so many seconds each."""
    graph, text = community_graph(edges, imbalance)
    adjacency = _snapshot(graph)
    balanced, unbalanced = (Run(_training(adjacency, text, balance=balance)) for balance in (True, False))
    with torch_threads():
        _take_turns(balanced, unbalanced, seconds)
    yield "seconds an epoch, balanced against all edges", balanced.epoch_seconds, unbalanced.epoch_seconds
    for measure in balanced.seen[0][1]:
        best = max(balanced.smoothed(measure)), max(unbalanced.smoothed(measure))
        yield (f"best hit rate at 10, {measure}, balanced against all edges", *best)
        times = (balanced.seconds_to(measure, NEAR * min(best)), unbalanced.seconds_to(measure, NEAR * min(best)))
        yield (f"seconds to the same hit rate, {measure}, the same", *times)


def _snapshot(graph: RandomGraph) -> SnapshotAdjacency:
    return SnapshotAdjacency.from_edges(
        graph.src, graph.dst, graph.weight, node_type=graph.node_type, node_types=NAMES, version="communities"
    )
