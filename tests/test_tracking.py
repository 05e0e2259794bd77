"""Real training, tracked by real loggers: by Lightning's CSV logger always, by others where they are installed."""

from __future__ import annotations

import csv
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, Logger

from colisten.gnn.training import train_gnn
from colisten.pipeline.stage import Context
from colisten.pipeline.tracked import tracker_of
from colisten.progress import Progress
from colisten.settings import Settings, TowersSettings
from colisten.towers.training import train_towers
from colisten.tracking import Tracker, open_logger
from colisten.workdir import Workdir
from tests.gnn import worlds as graphs
from tests.towers import worlds as listeners

QUIET = Progress(quiet=True)


def context(tmp_path: Path, kind: str) -> Context:
    folder = Workdir.open(tmp_path / "W", create=True)
    return Context(folder, Settings.load([f"tracking={kind}", "qdrant.api_key=hush", "gnn.dim=8"]), QUIET, "")


def metrics(folder: Path) -> list[dict[str, str]]:
    (run,) = folder.iterdir()
    return list(csv.DictReader((run / "metrics.csv").open()))


def test_nothing_is_tracked_by_default(tmp_path: Path) -> None:
    assert tracker_of(context(tmp_path, "none"), "gnn") is None


def test_training_of_the_graph_model_is_logged_by_epoch(tmp_path: Path) -> None:
    of_stage = context(tmp_path, "csv")
    adjacency, text, _ = graphs.cliques()
    tracker = tracker_of(of_stage, "gnn")
    train_gnn(adjacency, text, graphs.QUICK, seed=1, folder=tmp_path / "gnn", progress=QUIET, tracker=tracker)
    known = [json.loads(line) for line in (tmp_path / "gnn/training.jsonl").read_text().splitlines()]
    rows = metrics(of_stage.workdir.tracking / "gnn")
    for name in ("loss", "validation"):
        logged = [float(row[name]) for row in rows if row.get(name)]
        np.testing.assert_allclose(logged, [line[name] for line in known], atol=1e-5)
    (told,) = (of_stage.workdir.tracking / "gnn").glob("*/hparams.yaml")
    assert "gnn.dim: 8" in told.read_text()
    assert "hush" not in told.read_text()


def towers(tmp_path: Path, tracker: Tracker | None) -> bytes:
    data, text = listeners.clustered(tmp_path / "data")
    embeddings = np.random.default_rng(5).normal(size=(len(text), 4)).astype(np.float32)
    settings = Settings(target="book", towers=TowersSettings(hidden=(16,), dim=8, epochs=3, minutes=0))
    out = tmp_path / "towers"
    train_towers(data, text, embeddings, lambda _: embeddings, settings, out, QUIET, tracker=tracker)
    return (out / "items.safetensors").read_bytes()


def test_training_of_the_towers_is_logged_by_epoch_and_changes_nothing(tmp_path: Path) -> None:
    of_stage = context(tmp_path, "csv")
    tracked = towers(tmp_path / "a", tracker_of(of_stage, "towers"))
    assert tracked == towers(tmp_path / "b", None)
    rows = metrics(of_stage.workdir.tracking / "towers")
    assert len(rows) >= 3
    assert all(float(row["loss"]) > 0 for row in rows)
    assert all(0 < float(row["validation"]) <= 1 for row in rows[:3])
    (told,) = (of_stage.workdir.tracking / "towers").glob("*/hparams.yaml")
    assert "selected.validation.warm.mix" in told.read_text()


class Failing(CSVLogger):
    """Its server is gone after the first epoch."""

    def log_metrics(self, *_: object, **__: object) -> None:
        raise ConnectionError("the server is gone")


@pytest.mark.parametrize("kind", ["cannot be opened", "fails later"])
def test_a_tracker_that_fails_says_so_once_and_training_goes_on(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened() -> Logger:
        if kind == "cannot be opened":
            raise ConnectionError("the server is gone")
        return Failing(tmp_path / "tracking")

    assert towers(tmp_path, Tracker(opened, Progress()))
    assert capsys.readouterr().err.count("not tracked any further: the server is gone") == 1


@pytest.mark.parametrize(("kind", "module"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow")])
def test_other_loggers(tmp_path: Path, kind: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracker = Tracker(partial(open_logger, kind, tmp_path / "tracking", "towers"), Progress())
    tracker.log_hyperparams({"gnn.dim": 8})
    tracker.after_epoch(loss=1.5, validation=0.2)
    tracker.finish(index="colisten-1")
    written = [Path(root) / name for root, _, names in os.walk(tmp_path / "tracking") for name in names]
    assert written


def test_a_missing_extra_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        import tensorboard  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        Tracker(partial(open_logger, "tensorboard", tmp_path, "gnn"), Progress())
        assert "colisten[tensorboard]" in capsys.readouterr().err
