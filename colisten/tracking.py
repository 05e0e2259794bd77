"""Experiment tracking by Lightning's loggers: CSV, TensorBoard, MLflow. Never a reason to fail a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from colisten.extras import require
from colisten.progress import Progress


def open_logger(kind: str, folder: Path, stage: str) -> Logger:
    """A logger of a new run of `stage`, below `folder`; MLflow's at `MLFLOW_TRACKING_URI` if that is set.

    Raises:
        SettingsError: the extra of that `kind` is not installed.
    """
    folder = folder.absolute()
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    if kind == "csv":
        return CSVLogger(folder, stage, run, flush_logs_every_n_steps=1)
    require(kind, kind)
    if kind == "tensorboard":
        return TensorBoardLogger(folder, stage, run)
    if where := os.environ.get("MLFLOW_TRACKING_URI"):
        return MLFlowLogger(f"colisten {stage}", f"{stage} {run}", where)
    folder.mkdir(parents=True, exist_ok=True)  # a database: MLflow has given up its store of plain files
    artifacts = (folder / "mlflow").as_uri()
    database = f"sqlite:///{folder / 'mlflow.db'}"
    return MLFlowLogger(f"colisten {stage}", f"{stage} {run}", database, artifact_location=artifacts)


class Tracker(Logger):
    """Hands figures over to one of Lightning's loggers; where that fails, it says so once and goes on without it."""

    def __init__(self, opened: Callable[[], Logger], progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._logger: Logger | None = None
        self._step = 0
        self._attempt(lambda: setattr(self, "_logger", opened()))

    @property
    def name(self) -> str | None:
        return "colisten"

    @property
    def version(self) -> str | int | None:
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._hand_over("log_metrics", dict(metrics), step)

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self._hand_over("log_hyperparams", params)

    def save(self) -> None:
        self._hand_over("save")

    def finalize(self, status: str) -> None:
        self._hand_over("finalize", status)

    def after_epoch(self, **figures: float) -> None:
        """Log the figures of one more epoch."""
        self.log_metrics(figures, self._step)
        self.save()
        self._step += 1

    def finish(self, **facts: object) -> None:
        """Log what came out, and close."""
        self.log_hyperparams(facts)
        self.save()
        self.finalize("success")

    def _hand_over(self, method: str, *arguments: object) -> None:
        if self._logger is not None:
            self._attempt(getattr(self._logger, method), *arguments)

    def _attempt(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception as error:  # whatever a tracker lacks, training goes on
            self._logger = None
            first = (str(error) or type(error).__name__).splitlines()[0]
            self._progress.say(f"  not tracked any further: {first}")


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values under dotted names.

    >>> flat({"seed": 7, "gnn": {"dim": 64}})
    {'seed': 7, 'gnn.dim': 64}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found
