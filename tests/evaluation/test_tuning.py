"""Baselines are tuned on streams that they have not seen, all on the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.evaluation.baselines import hybrid_tuning
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE
from colisten.evaluation.baselines.hybrid import Hybrid
from colisten.evaluation.baselines.hybrid_tuning import tuned_hybrid
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.registry import NAMES, make_baselines
from colisten.evaluation.baselines.text_knn import TextKNN
from colisten.evaluation.baselines.tuning import GRIDS, tune_baselines, tuned_values
from colisten.evaluation.baselines.validation_slice import validation_slice
from colisten.listening.data import ListeningData
from colisten.listening.split import ByDays, split_data
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings

from . import worlds

QUIET = Progress(quiet=True)
SETTINGS = Settings()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ListeningData:
    """Synthetic data with times, its last days cut off."""
    folder = tmp_path_factory.mktemp("tuning")
    make_world(folder / "world", users=500, audiobooks=80, podcasts=60, seed=4)
    split_data(str(folder / "world"), folder / "split", SETTINGS, ByDays(14))
    return worlds.import_split(folder / "split", folder / "listening")


def test_the_slice_hides_the_newest_listening(data: ListeningData) -> None:
    with validation_slice(data, SETTINGS) as validation:
        assert validation is not None
        hidden = pl.DataFrame(
            {
                "user": validation.users[validation.task.truth.users],
                "item": validation.task.candidates[validation.task.truth.items],
            }
        ).cast({"user": pl.Int32, "item": pl.Int32})
        streams = validation.data.streams.collect()
        assert len(hidden) > 50
        assert hidden.join(streams, on=["user", "item"], how="semi").is_empty()
        cut = pl.read_parquet(validation.data.interactions)["timestamp"].to_numpy().max()
        later = data.streams.filter(pl.col("timestamp") > cut).collect()
        assert len(hidden.join(later, on=["user", "item"], how="anti")) == 0
    assert not validation.data.root.exists()


def test_each_baseline_ends_with_the_best_of_its_grid(data: ListeningData) -> None:
    found = tune_baselines({"ease": EASE(), "itemknn": ItemKNN(), "popularity": Popularity()}, data, SETTINGS, QUIET)
    values = tuned_values(found)
    assert values["popularity"] == {}
    with validation_slice(data, SETTINGS) as validation:
        assert validation is not None
        ndcg = {penalty: validation.ndcg(EASE(penalty=penalty)).mean() for penalty in GRIDS["ease"]["penalty"]}
        assert values["ease"] == {"penalty": max(ndcg, key=lambda penalty: ndcg[penalty])}
        knn = values["itemknn"]
        best = validation.ndcg(ItemKNN(k=int(knn["k"]), shrink=knn["shrink"])).mean()
        assert best >= max(validation.ndcg(ItemKNN(k=k)).mean() for k in (20, 100, 300))


def test_the_hybrid_adds_what_its_parts_say_and_ends_with_the_best_mix(
    data: ListeningData, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = np.random.default_rng(0).normal(size=(len(data.items), 4)).astype(np.float32)
    monkeypatch.setattr(hybrid_tuning, "SECONDS", 0.0)
    with validation_slice(data, SETTINGS) as validation:
        assert validation is not None
        best = tuned_hybrid(Hybrid(text), [ItemKNN(k=20), ItemKNN(k=100)], validation, QUIET)
        assert best.collaborative == ItemKNN(k=20), "no time was left for another"
        ndcg = validation.ndcg(replace(best))
        for weights in ((0.0, 0.0), (0.2, 0.1), (0.8, 0.8)):
            other = Hybrid(text, ItemKNN(k=20), *weights)
            assert validation.ndcg(other).mean() <= ndcg.mean() + 1e-6
    hybrid, items = Hybrid(text, ItemKNN(), 0.3, 0.5).fit(data), np.arange(40)
    plain = [each.fit(data).scores(np.array([7]), items)[0] for each in (ItemKNN(), TextKNN(text), Popularity())]
    plain[2] = np.log1p(plain[2])
    wanted = sum(weight * each / each.std() for weight, each in zip((1, 0.3, 0.5), plain, strict=True))
    np.testing.assert_allclose(hybrid.scores(np.array([7]), items)[0], wanted, rtol=1e-4)
    values = tuned_values({"hybrid": Hybrid(text, EASE(penalty=30.0), 0.3, 0.5)})
    assert values == {"hybrid": {"ease penalty": 30.0, "text": 0.3, "popularity": 0.5}}


def test_grids_name_parameters(data: ListeningData) -> None:
    text = np.zeros((len(data.items), 2), np.float32)
    for name, baseline in make_baselines(["all"], text, QUIET).items():
        assert set(GRIDS.get(name, {})) <= set(baseline.__dataclass_fields__), name
    assert set(GRIDS) <= set(NAMES)


def test_without_anything_to_hide_nothing_is_tuned(tmp_path: Path) -> None:
    split = worlds.random_split(tmp_path / "split")
    data = worlds.import_split(split, tmp_path / "listening", "target=book")
    baselines: dict[str, Baseline] = {"ease": EASE(penalty=3.0)}
    assert tune_baselines(baselines, data, Settings(target="nothing"), QUIET) == baselines
