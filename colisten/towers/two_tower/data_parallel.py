"""The processes of `towers.devices`: helpers that follow rank 0 through all trials and epochs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from colisten.cores import check_devices, torch_threads
from colisten.distributed import Together, helpers
from colisten.progress import Progress
from colisten.settings import TowersSettings
from colisten.towers.two_tower.replicas import ALONE, Replicas
from colisten.towers.two_tower.trainer import EPOCH, TrainingRun, TwoTowerTrainer, training_device


@contextmanager
def training_replicas(towers: TowersSettings) -> Iterator[Replicas]:
    """Let `towers.devices` processes train together, and each use its part of the cores, while the block runs.

    They are started once for all trials: a start takes seconds, and a trial may.

    Raises:
        SettingsError: there are too few devices.
        ColistenError: one of several processes ended before its time.
    """
    check_devices("towers.devices", towers.devices, gpus=towers.device != "cpu")
    if towers.devices == 1 or "towers" not in towers.parts:
        with torch_threads():
            yield ALONE
        return
    device = training_device(towers.device)
    with torch_threads(towers.devices), helpers(towers.devices, _follow, towers) as together:
        replicas = Replicas.join(together, device)
        yield replicas
        replicas.tell(None)


def _follow(together: Together, towers: TowersSettings) -> None:
    """Train what rank 0 trains, until it says None."""
    progress = Progress(quiet=True)
    with torch_threads(towers.devices):
        replicas = Replicas.join(together, training_device(towers.device))
        trainer: TwoTowerTrainer | None = None
        while (command := replicas.told()) is not None:
            if isinstance(command, TrainingRun):
                trainer = TwoTowerTrainer(
                    command.data, command.seed, command.epochs, rate_scale=command.rate_scale, replicas=replicas
                )
            elif command == EPOCH and trainer:
                trainer.epoch(progress, "")
