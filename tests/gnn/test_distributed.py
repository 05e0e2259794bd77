"""Two processes that train together (gloo, on CPU) come to what one comes to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from colisten.cores import check_devices
from colisten.distributed import Together, helpers
from colisten.errors import ColistenError, SettingsError
from colisten.gnn.batches import TrainingBatch
from colisten.gnn.lightning_module import GnnTraining
from colisten.gnn.model import ModelSpec
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.training import train_gnn
from colisten.gnn.training_log import LOG
from colisten.progress import Progress
from tests.gnn import worlds


def losses(folder: Path, name: str) -> list[float]:
    return [json.loads(line)[name] for line in (folder / LOG).read_text().splitlines()]


def test_two_processes_share_out_the_edges_of_each_step() -> None:
    adjacency, text, _ = worlds.cliques()
    options = worlds.QUICK.model_copy(update={"devices": 2, "batch_size": 10})

    def training(rank: int, devices: int) -> GnnTraining:
        given = options.model_copy(update={"devices": devices})
        width = NodeFeatures(text, adjacency.degrees).width
        model = ModelSpec.of(given, adjacency.node_types, adjacency.relations, width, 1).build()
        return GnnTraining(model, adjacency, text, given, 1, rank=rank)

    def pairs(given: GnnTraining) -> list[set[tuple[int, int]]]:
        steps = given.training_stream._batches([(0, given.edges_of(0))], 1)
        return [set(zip(*(ends.tolist() for ends in batch.without or ()), strict=True)) for batch in steps]

    whole, first, second = pairs(training(0, 1)), pairs(training(0, 2)), pairs(training(1, 2))
    assert len(first) == len(second) == len(whole)
    for all_of_it, one, other in zip(whole, first, second, strict=True):
        assert one.isdisjoint(other) or len(all_of_it) < 10
        assert one | other == all_of_it or all_of_it == whole[-1]
    validations = [training(rank, 2).val_dataloader() for rank in range(2)]
    sizes: list[list[int]] = [[_rows(batch) for batch in held_out] for held_out in validations]
    assert sizes[0] == sizes[1]


def _rows(batch: TrainingBatch) -> int:
    return sum(len(contrast.anchor) for contrast in batch.contrasts)


def test_two_processes_come_to_what_one_comes_to(tmp_path: Path) -> None:
    """On a graph of which little can be learned, so that losses do not end in nothing."""
    adjacency = worlds.random_graph(240, 6_000, [item % 2 for item in range(240)], worlds.TYPES)
    text = np.random.default_rng(1).normal(size=(240, 16)).astype(np.float32)
    found: dict[int, list[float]] = {}
    for devices in (1, 2):
        options = worlds.QUICK.model_copy(update={"devices": devices, "max_epochs": 4})
        folder = tmp_path / str(devices)
        train_gnn(adjacency, text, options, seed=1, folder=folder, progress=Progress(quiet=True))
        found[devices] = losses(folder, "validation")
        assert not (folder / "checkpoints").exists()
    assert not torch.distributed.is_initialized()
    assert len(found[1]) == len(found[2])
    np.testing.assert_allclose(found[2], found[1], rtol=0.05)
    assert found[2][-1] < found[2][0]


def _gone(together: Together, *_: Any) -> None:
    os._exit(3)


def test_a_process_that_ends_early_is_said() -> None:
    with pytest.raises(ColistenError, match="before its time"), helpers(2, _gone) as together:
        torch.distributed.init_process_group("gloo", init_method=together.address, rank=0, world_size=1)
        raise RuntimeError("Connection closed by peer")


def test_more_processes_than_there_is_for_are_refused() -> None:
    check_devices("gnn.devices", 1)
    with pytest.raises(SettingsError, match=r"gnn\.devices=1000 is more than this machine has"):
        check_devices("gnn.devices", 1000)
