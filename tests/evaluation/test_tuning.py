"""Baselines are tuned on listening that they have not seen, all on the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.registry import NAMES, make_baselines
from colisten.evaluation.baselines.tuning import GRIDS, tune_baselines, tuned_values, validation_slice
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
    """A made-up world with times, its last days cut off."""
    folder = tmp_path_factory.mktemp("tuning")
    make_world(folder / "world", users=500, audiobooks=80, podcasts=60, seed=4)
    split_data(str(folder / "world"), folder / "split", SETTINGS, ByDays(14))
    return worlds.import_split(folder / "split", folder / "listening")


def test_the_slice_hides_the_newest_listening(data: ListeningData) -> None:
    with validation_slice(data, SETTINGS) as part:
        assert part is not None
        whole, kept = (pl.read_parquet(one.interactions) for one in (data, part.data))
        hidden = pl.DataFrame(
            {"user": part.users[part.task.truth.users], "item": part.task.candidates[part.task.truth.items]}
        ).cast({"user": pl.Int32, "item": pl.Int32})
        streams = kept.filter(pl.col("signal") < data.strong)
        assert len(hidden) > 50
        assert hidden.join(streams, on=["user", "item"], how="semi").is_empty()
        cut = kept["timestamp"].max()
        later = whole.filter(pl.col("timestamp") > cut, pl.col("signal") < data.strong)
        assert len(hidden.join(later, on=["user", "item"], how="anti")) == 0
    assert not part.data.root.exists()


def test_each_baseline_ends_with_the_best_of_its_grid(data: ListeningData) -> None:
    found = tune_baselines({"ease": EASE(), "itemknn": ItemKNN(), "popularity": Popularity()}, data, SETTINGS, QUIET)
    values = tuned_values(found)
    assert values["popularity"] == {}
    with validation_slice(data, SETTINGS) as part:
        assert part is not None
        ndcg = {penalty: part.ndcg(EASE(penalty=penalty)).mean() for penalty in GRIDS["ease"]["penalty"]}
        assert values["ease"] == {"penalty": max(ndcg, key=lambda penalty: ndcg[penalty])}
        best = part.ndcg(ItemKNN(**values["itemknn"])).mean()  # type: ignore[arg-type]  # k is whole in the grid
        assert best >= max(part.ndcg(ItemKNN(k=k)).mean() for k in (20, 100, 300))


def test_what_is_tried_are_fields(data: ListeningData) -> None:
    text = np.zeros((len(data.items), 2), np.float32)
    for name, baseline in make_baselines(["all"], text, QUIET).items():
        assert set(GRIDS.get(name, {})) <= set(baseline.__dataclass_fields__), name
    assert set(GRIDS) <= set(NAMES)


def test_without_anything_to_hide_nothing_is_tuned(tmp_path: Path) -> None:
    split = worlds.random_split(tmp_path / "split")
    data = worlds.import_split(split, tmp_path / "listening", "target=book")
    baselines: dict[str, Baseline] = {"ease": EASE(penalty=3.0)}
    assert tune_baselines(baselines, data, Settings(target="nothing"), QUIET) == baselines
