"""Hyper-parameter search: real trainings on little data."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.arrays import Floats
from colisten.evaluation.baselines.validation_slice import validation_slice
from colisten.evaluation.full_model import FullModel
from colisten.evaluation.search import search as module
from colisten.evaluation.search.search import TrialRunner, search
from colisten.evaluation.search.space import SPACE, as_toml, with_values
from colisten.listening.data import ListeningData
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings, keys

from . import worlds

QUIET = Progress(quiet=True)
QUICK = Settings.load(["gnn.max_epochs=1", "gnn.dim=8", "gnn.edges_per_epoch=500", "towers.epochs=1",
                       "towers.hidden=16", "towers.dim=8"])  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ListeningData:
    folder = tmp_path_factory.mktemp("search")
    make_world(folder / "world", users=200, audiobooks=50, podcasts=40, seed=6)
    (folder / "split").mkdir()
    (folder / "world").rename(folder / "split" / "train")
    return worlds.import_split(folder / "split", folder / "listening")


@pytest.fixture(scope="module")
def text(data: ListeningData) -> Floats:
    return np.ascontiguousarray(data.items["genres"].list.join(" ").to_dummies().to_numpy().astype(np.float32))


@pytest.mark.slow
def test_two_trials_and_two_more(data: ListeningData, text: Floats, tmp_path: Path) -> None:
    first = search(data, text, QUICK, tmp_path, minutes=60, trials=2, progress=QUIET)
    assert first.trials == 2
    assert 0 < first.before < 1
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.npy")}
    assert {path.name for path in kept} >= {"present.npy", "trial-0.npy", "trial-1.npy"}
    again = search(data, text, QUICK, tmp_path, minutes=60, trials=1, progress=QUIET)
    assert again.trials == 3
    assert again.before == first.before
    assert again.after >= first.after
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items()), "nothing is trained twice"
    assert not [path for path in tmp_path.glob("*/*") if path.is_dir()], "nothing is left of the trainings"


def test_no_time_is_no_trial(data: ListeningData, text: Floats, tmp_path: Path) -> None:
    found = search(data, text, QUICK, tmp_path, minutes=1e-9, progress=QUIET)
    assert (found.trials, found.values) == (0, {})


@pytest.mark.parametrize(("second", "kept"), [(0.5, True), (-0.5, False)])
def test_the_best_trial_has_to_win_twice(
    second: float, kept: bool, data: ListeningData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best settings are returned if they win again, on an earlier validation slice, and not if they lose there."""
    ends: dict[str, int] = {}

    def ndcg(runner: TrialRunner, settings: Settings, name: str) -> Floats:
        ends[name] = pl.scan_parquet(runner.data.interactions).select(pl.col("timestamp").max()).collect().item()
        gain = 0.0 if name.startswith("present") else second if settings.seed == QUICK.seed + 1 else 0.5
        return np.random.default_rng(0).random(50, np.float32) + np.float32(gain)

    monkeypatch.setattr(module.TrialRunner, "ndcg", ndcg)
    found = search(data, np.empty((0, 0), np.float32), QUICK, tmp_path, minutes=60, trials=2, progress=QUIET)
    assert found.after > found.before
    assert set(found.values) == (set(SPACE) if kept else set())
    with validation_slice(data, QUICK) as validation:
        assert validation is not None
        cut = pl.read_parquet(validation.data.interactions)["timestamp"].to_numpy().max()
        with validation_slice(validation.data, QUICK) as earlier:
            assert earlier is not None
            assert len(earlier.users)
    assert ends["present-earlier"] == cut < ends["present"], "what trials were validated on is hidden"


def test_the_search_knows_real_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(SPACE) <= set(keys())
    values = {"gnn.dim": 32, "gnn.loss": "margin", "towers.dropout": 0.25}
    Path("colisten.toml").write_text(as_toml(values))
    for settings in (Settings.load(), with_values(Settings(), values)):
        assert {key: attrgetter(key)(settings) for key in values} == values


@pytest.mark.slow
def test_the_full_model_learns_with_a_graph_and_without(data: ListeningData, text: Floats, tmp_path: Path) -> None:
    with validation_slice(data, QUICK) as validation:
        assert validation is not None
        for graph in (True, False):
            ndcg = validation.ndcg(FullModel(text, QUICK, tmp_path / str(graph), QUIET, graph))
            assert ndcg.shape == validation.users.shape
            assert ndcg.mean() > 0
            assert (tmp_path / str(graph) / "gnn").exists() == graph
