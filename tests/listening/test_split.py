"""Splits are those of the independent judge, and train holds nothing of the future."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from colisten.errors import DataError
from colisten.listening.importing import import_data
from colisten.listening.split import ByDays, ByQuantile, HoldOut, split_data
from colisten.listening.synth import make_world
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import Importer, event

How = ByDays | ByQuantile | HoldOut
TABLES = ("test", "train/interactions", "train/items", "train/users")


def same(ours: Path, theirs: Path) -> None:
    for name in TABLES:
        assert (ours / f"{name}.parquet").exists() == (theirs / f"{name}.parquet").exists()
        if (theirs / f"{name}.parquet").exists():
            assert_frame_equal(pl.read_parquet(ours / f"{name}.parquet"), pl.read_parquet(theirs / f"{name}.parquet"))
    assert (ours / "users.csv").read_text() == (theirs / "users.csv").read_text()
    assert json.loads((ours / "split.json").read_text()) == json.loads((theirs / "split.json").read_text())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("split") / "world"
    make_world(out, users=300, audiobooks=80, podcasts=60)
    return out


@pytest.mark.parametrize(
    ("how", "words"),
    [(ByDays(14), ["--days", "14"]), (ByQuantile(0.8), []), (HoldOut(0.3, 0.2), ["--holdout", "0.3", "--cold", "0.2"])],
)
def test_the_split_is_that_of_the_judge(
    shared_data: Callable[[str], Path],
    world: Path,
    tmp_path: Path,
    how: How,
    words: list[str],
) -> None:
    judge = [sys.executable, str(shared_data("judge.py")), "split", str(world), str(tmp_path / "theirs"), *words]
    subprocess.run(judge, check=True, capture_output=True)
    summary = split_data(str(world), tmp_path / "ours", Settings.load(), how)
    same(tmp_path / "ours", tmp_path / "theirs")
    assert summary.test_users > 20


@pytest.mark.parametrize(
    ("name", "how", "overrides"),
    [("anime", HoldOut(), ["target=movie"]),
     ("complete_journey", ByQuantile(), ["target=drug_gm", "signals.strong=purchase"])],
)  # fmt: skip
def test_the_fixed_splits_are_met(
    shared_data: Callable[[str], Path],
    tmp_path: Path,
    name: str,
    how: How,
    overrides: list[str],
) -> None:
    split_data(str(shared_data(f"data/{name}")), tmp_path / "ours", Settings.load(overrides), how)
    same(tmp_path / "ours", shared_data(f"data/{name}/split"))


def test_nothing_of_the_future_is_in_train(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours"
    summary = split_data(str(world), out, Settings.load(), ByDays(14))
    events = pl.read_parquet(world / "interactions.parquet")
    train, test = pl.read_parquet(out / "train/interactions.parquet"), pl.read_parquet(out / "test.parquet")
    assert train["timestamp"].to_numpy().max() < summary.cut == events["timestamp"].to_numpy().max() - 14 * 86_400
    assert len(train) == events.filter(pl.col("timestamp") < summary.cut).height
    streamed = train.filter(pl.col("signal") == "stream")
    assert test.join(streamed, on=["user_id", "item_id"], how="semi").is_empty()
    assert test.join(train, on="user_id", how="anti").is_empty()


def test_a_hold_out_hides_weak_signals_too_and_all_of_cold_users(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours"
    split_data(str(world), out, Settings.load(), HoldOut(0.3, 0.3))
    train, test = pl.read_parquet(out / "train/interactions.parquet"), pl.read_parquet(out / "test.parquet")
    assert test.join(train, on=["user_id", "item_id"], how="semi").is_empty()
    books = train.filter(pl.col("item_type") == "audiobook")
    cold = test.select("user_id").unique().join(books, on="user_id", how="anti")
    assert 0.15 < len(cold) / test["user_id"].n_unique() < 0.5


def test_train_is_a_folder_of_the_contract(world: Path, tmp_path: Path) -> None:
    split_data(str(world), tmp_path / "ours", Settings.load(), ByDays(14))
    data = import_data(str(tmp_path / "ours" / "train"), tmp_path / "in", Settings.load(), Progress(quiet=True))
    assert data.summary["rejected"] == {}
    assert data.summary["counts"]["items"] == 140


def test_csv_is_split_like_parquet(world: Path, tmp_path: Path) -> None:
    source = tmp_path / "csv"
    source.mkdir()
    pl.read_parquet(world / "interactions.parquet").write_csv(source / "interactions.csv")
    pl.read_parquet(world / "items.parquet").with_columns(
        pl.col("genres", "creators").list.join("|")
    ).write_csv(source / "items.csv")  # fmt: skip
    for name, place in (("a", world), ("b", source)):
        split_data(str(place), tmp_path / name, Settings.load(), HoldOut())
    for name in TABLES[:2]:
        assert_frame_equal(
            pl.read_parquet(tmp_path / "a" / f"{name}.parquet"), pl.read_parquet(tmp_path / "b" / f"{name}.parquet")
        )


def test_data_that_cannot_be_split_is_refused(importer: Importer, tmp_path: Path) -> None:
    importer.write([event(timestamp=None), event(item_id="other", timestamp=None)])
    source, out = str(importer.source), tmp_path / "none"
    with pytest.raises(DataError, match="2 interactions have no time, so no time can cut them: use a hold-out"):
        split_data(source, out, Settings.load(), ByDays(14))
    with pytest.raises(DataError, match="no play of the target type 'audiobook' to split"):
        split_data(source, out, Settings.load(["signals.strong=play"]), HoldOut())
    importer.write([event(timestamp=1), event(item_id="other", timestamp=2)])
    with pytest.raises(DataError, match="no known user streamed anything new"):
        split_data(source, out, Settings.load(), ByDays(14))
    assert not out.exists()


@pytest.mark.parametrize("how", [ByDays(14), HoldOut(0.3, 0.2)])
def test_further_types_are_held_out_beside_the_target(world: Path, tmp_path: Path, how: How) -> None:
    split_data(str(world), tmp_path / "one", Settings.load(), how)
    split_data(str(world), tmp_path / "two", Settings.load(), how, also=["podcast"])
    kinds = pl.read_parquet(world / "items.parquet").select("item_id", "item_type")
    tests = {
        name: pl.read_parquet(tmp_path / name / "test.parquet").join(kinds, on="item_id") for name in ("one", "two")
    }
    assert set(tests["one"]["item_type"]) == {"audiobook"}
    assert set(tests["two"]["item_type"]) == {"audiobook", "podcast"}
    if isinstance(how, ByDays):
        assert (
            tests["two"]
            .filter(pl.col("item_type") == "audiobook")
            .drop("item_type")
            .sort("user_id", "item_id")
            .equals(tests["one"].drop("item_type").sort("user_id", "item_id"))
        )
    train = pl.read_parquet(tmp_path / "two" / "train" / "interactions.parquet")
    assert (
        train.join(tests["two"], on=["user_id", "item_id"], how="semi").filter(pl.col("signal") == "stream").is_empty()
    )


def test_held_out_streams_have_their_values(world: Path, tmp_path: Path) -> None:
    summary = split_data(str(world), tmp_path / "ours", Settings.load(), ByDays(14))
    values = pl.read_parquet(tmp_path / "ours" / "values.parquet")
    assert values.drop("value").equals(pl.read_parquet(tmp_path / "ours" / "test.parquet"))
    events = pl.read_parquet(world / "interactions.parquet")
    later = events.filter(pl.col("timestamp") >= summary.cut, pl.col("signal") == "stream")
    seconds = later.group_by("user_id", "item_id").agg(pl.col("value").cast(pl.Float64).sum().alias("seconds"))
    both = values.join(seconds, on=["user_id", "item_id"], how="left")
    assert both["value"].to_numpy() == pytest.approx(both["seconds"].to_numpy())


@pytest.mark.parametrize("wrong", ["2096-10-02", "2031-01-01", "1970-01-01"])
def test_a_wrong_clock_does_not_move_the_cut(world: Path, tmp_path: Path, wrong: str) -> None:
    events = pl.read_parquet(world / "interactions.parquet")
    second = pl.lit(wrong).str.to_date().dt.epoch("s").cast(events["timestamp"].dtype)
    odd = events.sort("timestamp").head(1).with_columns(timestamp=second)
    source = tmp_path / "source"
    source.mkdir()
    pl.concat([events, odd]).write_parquet(source / "interactions.parquet")
    (source / "items.parquet").symlink_to(world / "items.parquet")
    for name, place in (("plain", world), ("odd", source)):
        split_data(str(place), tmp_path / name, Settings.load(), ByDays(14))
    plain, found = (json.loads((tmp_path / name / "split.json").read_text()) for name in ("plain", "odd"))
    assert found["cut"] == plain["cut"]
    test = [pl.read_parquet(tmp_path / name / "test.parquet") for name in ("plain", "odd")]
    assert test[0].equals(test[1])


def test_milliseconds_are_split_like_seconds(world: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    events = pl.read_parquet(world / "interactions.parquet").with_columns(pl.col("timestamp") * 1000)
    events.write_parquet(source / "interactions.parquet")
    (source / "items.parquet").symlink_to(world / "items.parquet")
    for name, place in (("plain", world), ("odd", source)):
        split_data(str(place), tmp_path / name, Settings.load(), ByDays(14))
    assert_frame_equal(*(pl.read_parquet(tmp_path / name / "train/interactions.parquet") for name in ("plain", "odd")))
