"""No leakage of the future: interactions after the cut change no recommender, from counts to graph and towers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.errors import DataError
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.slim import SLIM
from colisten.evaluation.held_out_streams import check_no_leaks, read_held_out
from colisten.evaluation.report import evaluate
from colisten.evaluation.suite.models import fit_variant
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.variants import FULL, VARIANTS
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.listening.split import ByDays, split_data
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings

QUIET = Progress(quiet=True)
DAY = 86_400
PLANTED = 3
SETTINGS = Settings.load(["recipe=paper", "gnn.max_epochs=2", "gnn.dim=8", "towers.epochs=3", "towers.hidden=16",
                          "gnn.edges_per_epoch=1000"])  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and the same in which, after the cut, all users follow and stream three unpopular books."""
    folder = tmp_path_factory.mktemp("future")
    make_world(folder / "plain", users=300, audiobooks=60, podcasts=40, seed=5)
    (folder / "planted").mkdir()
    for name in ("items", "users"):
        (folder / "planted" / f"{name}.parquet").write_bytes((folder / "plain" / f"{name}.parquet").read_bytes())
    events = pl.read_parquet(folder / "plain" / "interactions.parquet")
    pl.concat([events, _planted(events)]).sort("timestamp", maintain_order=True).write_parquet(
        folder / "planted" / "interactions.parquet"
    )
    for name in ("plain", "planted"):
        split_data(str(folder / name), folder / f"{name}-split", SETTINGS, ByDays(14))
        import_data(str(folder / f"{name}-split" / "train"), folder / f"{name}-seen", SETTINGS, QUIET)
        import_data(str(folder / name), folder / f"{name}-whole", SETTINGS, QUIET)
    return folder


def _planted(events: pl.DataFrame) -> pl.DataFrame:
    end = events["timestamp"].max()
    assert isinstance(end, int)
    books = events.filter(pl.col("item_type") == "audiobook", pl.col("timestamp") < end - 14 * DAY)
    rare = books["item_id"].value_counts().sort("count", "item_id")["item_id"].head(PLANTED)
    known = events.filter(pl.col("timestamp") < end - 14 * DAY)["user_id"].unique().sort()
    pairs = known.to_frame().join(rare.to_frame(), how="cross")
    made = [
        pairs.select(
            "user_id", "item_id", item_type=pl.lit("audiobook"), signal=pl.lit(signal),
            timestamp=pl.lit(end - days * DAY, pl.Int64), value=pl.lit(3600.0, pl.Float32),
        )
        for signal, days in (("follow", 9), ("stream", 8))
    ]  # fmt: skip
    return pl.concat(made)


def recommenders(data: ListeningData, folder: Path) -> dict[str, Baseline]:
    """Popularity, recent popularity, neighbours, regression, and the graph model with its towers."""
    text = data.items["genres"].list.join(" ").to_dummies().to_numpy().astype(np.float32)
    (full,) = (variant for variant in VARIANTS if variant.name == FULL)
    artefacts = SharedArtefacts(data, np.ascontiguousarray(text), SETTINGS, folder, QUIET)
    artefacts.prepare()
    made = {"popularity": Popularity(), "recent": Popularity(days=30), "itemknn": ItemKNN(), "slim": SLIM()}
    return {name: one.fit(data) for name, one in made.items()} | {FULL: fit_variant(full, artefacts, seed=7)}


def planted_hits(root: Path, seen: str) -> dict[str, float]:
    """HR@10 on the planted world's hidden pairs of what was learned from `seen`."""
    learned = recommenders(ListeningData(root / seen), root / f"{seen}-models")
    (report,) = evaluate(root / "planted-split", {name: one.recommend for name, one in learned.items()}, progress=QUIET)
    return {name: report.segments["all"][name]["hr@10"]["mean"] for name in learned}


@pytest.mark.slow
def test_interactions_after_the_cut_change_nothing(root: Path) -> None:
    without, honest = planted_hits(root, "plain-seen"), planted_hits(root, "planted-seen")
    assert honest == without, "the planted streams are after the cut: nothing learned may differ"
    known = set(pl.read_parquet(root / "planted-split" / "train" / "interactions.parquet").rows())
    assert known == set(pl.read_parquet(root / "plain-split" / "train" / "interactions.parquet").rows())


@pytest.mark.slow
def test_planted_streams_are_found_with_leakage(root: Path) -> None:
    """The control: the same recommenders trained on all times, with the histories of the time before the cut."""
    honest, leaky = planted_hits(root, "planted-seen"), leaky_hits(root)
    for name in honest:
        assert leaky[name] > honest[name] + 0.2, name


def leaky_hits(root: Path) -> dict[str, float]:
    whole = recommenders(ListeningData(root / "planted-whole"), root / "leaky")
    seen = Popularity().fit(ListeningData(root / "planted-seen"))
    for one in whole.values():
        one.interactions = seen.interactions
    (report,) = evaluate(root / "planted-split", {name: one.recommend for name, one in whole.items()}, progress=QUIET)
    return {name: report.segments["all"][name]["hr@10"]["mean"] for name in whole}


def test_a_folder_with_leakage_is_refused(root: Path) -> None:
    held_out = read_held_out(root / "planted-split")
    check_no_leaks(ListeningData(root / "planted-seen"), held_out)
    with pytest.raises(DataError, match="were trained on"):
        check_no_leaks(ListeningData(root / "planted-whole"), held_out)
