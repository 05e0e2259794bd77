"""Checkpoints of a training that can be killed at any moment: written whole, resumed only where they can be read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from colisten.workdir import replacing_file

BEST, LAST = "best", "last"
"""Names of the checkpoint of the best epoch and of the last one, without `.ckpt`."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the file it replaces: Lightning itself goes through the system's temporary folder, and from there
    copies where that is another file system, which a kill leaves half done."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        content = BytesIO()
        torch.save(checkpoint, content)
        with replacing_file(Path(path)) as draft:
            draft.write_bytes(content.getbuffer())


class Patience(EarlyStopping):
    """Early stopping that a resumed training remembers: what was stopped is not gone on with for one more epoch."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


def can_resume(folder: Path) -> bool:
    """Whether a training can go on, or be finished, from the checkpoints in `folder`."""
    try:
        for name in (BEST, LAST):
            torch.load(folder / f"{name}.ckpt", weights_only=True)
    except Exception:  # torch has no error of its own for a damaged file
        return False
    return True
