"""Two processes that train the towers together (gloo, on CPU) come to what one comes to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from colisten.errors import ColistenError, SettingsError
from colisten.progress import Progress
from colisten.settings import Settings, TowersSettings
from colisten.towers.inputs import TowerInputs
from colisten.towers.training import train_towers
from colisten.towers.two_tower.data_parallel import training_replicas
from colisten.towers.two_tower.replicas import ALONE, Replicas
from colisten.towers.two_tower.trainer import TrainingOptions, TrainingSet, TwoTowerTrainer
from tests.towers import worlds

QUIET = Progress(quiet=True)
TOWERS = TowersSettings(
    parts=("towers", "demand"), hidden=(16,), dim=8, batch_size=64, epochs=2, dropout=0, learning_rate=1e-2, minutes=0,
    device="cpu",
)  # fmt: skip
TWO = TOWERS.model_copy(update={"devices": 2})


def training_set(folder: Path, towers: TowersSettings) -> TrainingSet:
    data, text = worlds.clustered(folder)
    settings = Settings(target="book", towers=towers)
    inputs = TowerInputs.of(data, text, np.empty((len(text), 0), np.float32), settings)
    return inputs.training_set(inputs.everybody, settings, TrainingOptions())


def trained(data: TrainingSet, replicas: Replicas) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses of all epochs and the final weights: some epochs, then others from weights that rank 0 has changed."""
    first = TwoTowerTrainer(data, 3, 2, replicas=replicas)
    losses = [first.epoch(QUIET, "") for _ in range(2)]
    with torch.no_grad():
        for weights in first.model.parameters():
            weights.mul_(0.9)
    second = TwoTowerTrainer(data, 4, 1, model=first.model, rate_scale=0.5, replicas=replicas)
    return [*losses, second.epoch(QUIET, "")], second.model.state_dict()


@pytest.mark.parametrize("options", [{}, {"logq": True, "batch_size": 2, "pairs_per_epoch": 41}])
def test_two_processes_come_to_the_weights_that_one_comes_to(tmp_path: Path, options: dict[str, object]) -> None:
    data = training_set(tmp_path, TOWERS.model_copy(update=options))
    losses, weights = trained(data, ALONE)
    with training_replicas(TWO) as replicas:
        found_losses, found_weights = trained(data, replicas)
    assert not torch.distributed.is_initialized()
    np.testing.assert_allclose(found_losses, losses, rtol=1e-5)
    for name, wanted in weights.items():
        torch.testing.assert_close(found_weights[name], wanted, rtol=1e-4, atol=1e-5)


def test_all_of_the_training_is_that_of_one_process(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", timed=True)
    nothing = np.empty((len(text), 0), np.float32)
    for towers in (TOWERS, TWO):
        out = tmp_path / str(towers.devices)
        train_towers(data, text, nothing, lambda _: nothing, Settings(target="book", towers=towers), out, QUIET)
    one, two = (load_file(tmp_path / devices / "items.safetensors")["vectors"] for devices in "12")
    np.testing.assert_allclose(two, one, atol=2e-3)


class _Deadly:
    """Ends the process that reads it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


def test_a_process_that_ends_early_is_said(tmp_path: Path) -> None:
    data = training_set(tmp_path, TWO)
    with pytest.raises(ColistenError, match="before its time"), training_replicas(TWO) as replicas:
        replicas.tell(_Deadly())
        TwoTowerTrainer(data, 3, 1, replicas=replicas).epoch(QUIET, "")
    assert not torch.distributed.is_initialized()


def test_more_processes_than_there_is_for_are_refused() -> None:
    towers = TOWERS.model_copy(update={"devices": 1000})
    with pytest.raises(SettingsError, match=r"towers\.devices=1000 is more than this machine has"):
        training_replicas(towers).__enter__()
