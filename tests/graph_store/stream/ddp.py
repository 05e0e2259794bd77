"""Run by the test of two processes: each rank trains on its share and writes down what it saw and came to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import lightning
import numpy as np
import torch
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv

from colisten.graph_store.edge_type import CO_LISTENED, directed_edge_types
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.graph_store.stream.streaming import batch_key, share_of, stream


class Epoch:
    """An epoch's batches, seen anew by each process."""

    def __init__(self, adjacency: SnapshotAdjacency, seen: Path) -> None:
        self.adjacency = adjacency
        self.seen = seen
        self.trainer: lightning.Trainer | None = None

    def __iter__(self) -> Iterator[HeteroData]:
        items = len(self.adjacency.node_type)
        seeds = np.array_split(np.random.default_rng(0).permutation(items), 9)
        batches = [Batch(part, batch_key(0, 0, place)) for place, part in enumerate(seeds)]
        assert self.trainer is not None
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        mine = share_of(batches, rank, world_size)
        (self.seen / f"seeds-{rank}.json").write_text(json.dumps([batch.seeds.tolist() for batch in mine]))
        x = np.random.default_rng(1).random((items, 4), np.float32)
        sampler = NeighbourSampler(self.adjacency, (3,))
        yield from stream(sampler, mine, lambda _, found: to_hetero_data(found, self.adjacency, x), prefetch=2)


class Module(lightning.LightningModule):
    def __init__(self, node_types: tuple[str, ...]) -> None:
        super().__init__()
        self.conv = HeteroConv({kind: SAGEConv(4, 1) for kind in directed_edge_types(node_types, (CO_LISTENED,))})

    def training_step(self, batch: HeteroData) -> torch.Tensor:
        return torch.cat(list(self.conv(batch.x_dict, batch.edge_index_dict).values())).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    graph = SnapshotAdjacency.open(folder / "graph")
    epoch, module = Epoch(graph, folder), Module(graph.node_types)
    trainer = lightning.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    epoch.trainer = trainer
    trainer.fit(module, epoch)
    weights = torch.cat([value.flatten() for value in module.parameters()])
    (folder / f"weights-{trainer.global_rank}.json").write_text(json.dumps(weights.tolist()))
