"""Training log: one JSON line per epoch, and progress."""

from __future__ import annotations

import json
import time
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from colisten.progress import Task

LOG = "training.jsonl"


class EpochReport(Callback):
    """Appends `{epoch, loss, validation, seconds}` to a file and moves the progress on."""

    def __init__(self, path: Path, task: Task) -> None:
        self._path = path
        self._task = task
        self._begin = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop what a kill left of an epoch that has no checkpoint: it comes again."""
        known = self._path.read_text().splitlines(keepends=True) if self._path.exists() else []
        self._path.write_text("".join(known[: trainer.current_epoch]))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        figures = {name: round(float(value), 5) for name, value in trainer.callback_metrics.items()}
        line = {"epoch": trainer.current_epoch, **figures, "seconds": round(time.perf_counter() - self._begin, 2)}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._task.advance(note=" ".join(f"{name} {value:.3f}" for name, value in figures.items()))
