"""Synthetic data has the figures that the paper reports of real data (section 3, appendix B)."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.errors import SettingsError
from colisten.listening.synth import ItemType, catalogue, choices, make_world, true_preferences
from colisten.listening.synth.world import audiobook_type
from tests.listening.sources import Importer

DAYS, SECONDS = 104, 86_400


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "world"
    make_world(out)
    return out


@pytest.fixture(scope="module")
def events(world: Path) -> pl.DataFrame:
    return pl.read_parquet(world / "interactions.parquet")


@pytest.fixture(scope="module")
def streams(events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(pl.col("signal") == "stream")


def top_share(values: pl.Series, share: float, among: int) -> float:
    ordered = values.sort(descending=True).to_numpy()
    return float(ordered[: round(share * among)].sum() / ordered.sum())


def hours(streams: pl.DataFrame, kind: str, by: str) -> pl.Series:
    return streams.filter(pl.col("item_type") == kind).group_by(by).agg(pl.col("value").sum())["value"]


def test_it_has_the_size_of_the_demo(events: pl.DataFrame) -> None:
    assert 130_000 < len(events) < 180_000
    span = np.ptp(events["timestamp"].to_numpy())
    assert (DAYS - 1) * SECONDS < span < DAYS * SECONDS


def test_few_audiobooks_and_few_people_make_most_hours(streams: pl.DataFrame) -> None:
    assert 0.70 < top_share(hours(streams, "audiobook", "item_id"), 0.2, 800) < 0.88
    people = hours(streams, "audiobook", "user_id")
    assert 0.70 < top_share(people, 0.25, len(people)) < 0.80


def test_podcasts_are_more_plentiful_and_come_first(streams: pl.DataFrame) -> None:
    first = streams.group_by("user_id", "item_type").agg(pl.col("timestamp").min()).pivot("item_type", index="user_id")
    books = first.filter(pl.col("audiobook").is_not_null())
    assert (books["podcast"] < books["audiobook"]).fill_null(False).to_numpy().mean() > 0.7
    count = dict(streams["item_type"].value_counts().iter_rows())
    assert count["podcast"] > 4 * count["audiobook"]


def test_weak_signals_have_the_odds_of_the_paper(world: Path) -> None:
    books = pl.read_parquet(world / "truth" / "considered.parquet").filter(pl.col("item") < 800)
    with_stream, without = books.filter("streamed"), books.filter(~pl.col("streamed"))
    for signal, ratio in {"follow": 2.18, "preview": 1.18, "intent": 1.13}.items():
        yes, no = (choices[signal].to_numpy().mean() for choices in (with_stream, without))
        assert yes / (1 - yes) / (no / (1 - no)) == pytest.approx(ratio, rel=0.01)


def test_weak_signals_go_before_the_stream(events: pl.DataFrame) -> None:
    pair = ["user_id", "item_id"]
    first = events.filter(pl.col("signal") == "stream").group_by(pair).agg(start=pl.col("timestamp").min())
    weak = events.filter(pl.col("signal") != "stream").join(first, on=pair)
    assert len(weak) > 1000
    assert (weak["timestamp"] <= weak["start"]).all()
    assert events.filter(pl.col("signal") != "stream")["value"].is_null().all()


def test_no_item_is_streamed_before_it_is_published_and_some_never(world: Path, streams: pl.DataFrame) -> None:
    items = pl.read_parquet(world / "items.parquet")
    dated = streams.join(items.select("item_id", "published"), on="item_id")
    assert dated.select((pl.from_epoch("timestamp", "s").dt.date() >= pl.col("published")).all()).item()
    late = items.filter(pl.col("published") > pl.date(2024, 1, 1))
    assert 0.05 < len(late) / len(items) < 0.2
    assert not set(items["item_id"]) <= set(streams["item_id"])


def test_titles_and_descriptions_are_varied_and_carry_the_topic(world: Path) -> None:
    items = pl.read_parquet(world / "items.parquet")
    assert items["description"].n_unique() > 0.95 * len(items)
    assert items["title"].n_unique() > 0.75 * len(items)
    crime = items.filter(pl.col("genres").list.contains("Mystery & Crime"))["description"].str.to_lowercase()
    words = "crime|murder|detective|trial|evidence|sleuth|snow|jury|village|witness"
    assert crime.str.contains(words).to_numpy().mean() > 0.6


def test_users_have_demographics_and_a_taste(world: Path) -> None:
    users = pl.read_parquet(world / "users.parquet")
    assert users.columns == ["user_id", "age", "country", "plan", "months_here", "taste"]
    assert users["taste"].dtype == pl.List(pl.Float32)
    assert set(users["taste"].list.len()) == {16}
    assert 0 < users["age"].null_count() < 0.1 * len(users)


def hit_rates(world: Path, kind: str) -> dict[str, float]:
    """HR@10 on the last 14 days, by popularity and by the true preferences."""
    events = pl.read_parquet(world / "interactions.parquet").filter(pl.col("item_type") == kind)
    cut = events["timestamp"].to_numpy().max() - 14 * SECONDS
    strong = events.filter(pl.col("signal") == "stream").select("user_id", "item_id", "timestamp")
    before = strong.filter(pl.col("timestamp") < cut).unique(["user_id", "item_id"])
    after = strong.filter(pl.col("timestamp") >= cut).join(before, on=["user_id", "item_id"], how="anti")
    truth = true_preferences(world)
    user_of = {name: place for place, name in enumerate(truth.user_ids)}
    item_of = {name: place for place, name in enumerate(truth.item_ids)}
    test_users = after["user_id"].unique().sort()
    place = {name: row for row, name in enumerate(test_users)}
    scores = truth.scores(np.array([user_of[name] for name in test_users]))
    popular = np.zeros(len(item_of))
    for name, rows in before["item_id"].value_counts().iter_rows():
        popular[item_of[name]] = rows
    wanted = np.zeros(scores.shape, bool)
    wanted[[place[u] for u in after["user_id"]], [item_of[i] for i in after["item_id"]]] = True
    seen = before.filter(pl.col("user_id").is_in(test_users.implode()))
    rates = {}
    for model, values in (("truth", scores), ("popularity", np.tile(popular, (len(scores), 1)))):
        values[:, truth.type_of != truth.item_types.index(kind)] = -np.inf
        values[[place[u] for u in seen["user_id"]], [item_of[i] for i in seen["item_id"]]] = -np.inf
        best = np.argsort(-values, axis=1)[:, :10]
        rates[model] = float(np.take_along_axis(wanted, best, axis=1).any(axis=1).mean())
    return rates


@pytest.mark.parametrize("kind", ["audiobook", "podcast"])
def test_popularity_is_a_serious_baseline_and_far_from_the_truth(world: Path, kind: str) -> None:
    rates = hit_rates(world, kind)
    assert rates["popularity"] > 0.15
    assert rates["truth"] > 2 * rates["popularity"]


def test_podcasts_predict_the_taste_in_audiobooks(world: Path, streams: pl.DataFrame) -> None:
    """The mean position of a user's podcasts is nearer to their audiobooks than to those of another user."""
    truth = true_preferences(world)
    places = pl.DataFrame({"item_id": truth.item_ids, "place": truth.preferences.items[:, :32].tolist()})
    streamed = streams.unique(["user_id", "item_id"]).join(places, on="item_id")
    mean = {
        kind: dict(
            streamed.filter(pl.col("item_type") == kind).group_by("user_id").agg(pl.col("place")).iter_rows()
        ) for kind in ("audiobook", "podcast")
    }  # fmt: skip
    both = sorted(mean["audiobook"].keys() & mean["podcast"].keys())
    left, right = (np.array([np.mean(mean[kind][user], axis=0) for user in both]) for kind in ("audiobook", "podcast"))
    left, right = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (left, right))
    alike = (left * right).sum(axis=1).mean()
    chance = (left * right[np.random.default_rng(0).permutation(len(both))]).sum(axis=1).mean()
    assert alike > chance + 0.3


def test_the_same_seed_gives_the_same_world_and_another_another(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_world(tmp_path / name, users=50, audiobooks=30, podcasts=20, seed=seed)
    read = {name: [(tmp_path / name / f"{f}.parquet").read_bytes() for f in ("interactions", "items", "users")]
            for name in "abc"}  # fmt: skip
    assert read["a"] == read["b"]
    assert all(one != other for one, other in zip(read["a"], read["c"], strict=True))


def test_worlds_stay_what_they_are(tmp_path: Path) -> None:
    """All published figures hang on them: this is the digest of the first version's."""
    make_world(tmp_path / "w", users=50, audiobooks=30, podcasts=20, seed=1)
    events = pl.read_parquet(tmp_path / "w" / "interactions.parquet").select("user_id", "item_id", "timestamp")
    texts = pl.read_parquet(tmp_path / "w" / "items.parquet").select("item_id", "title", "description", "published")
    digest = hashlib.sha256((events.write_csv() + texts.write_csv()).encode()).hexdigest()
    assert digest == "50d630bed334deabb99b3df2cd2c4ada56789dc49a9d7f34d672e97c568ef3ee"


def test_series_are_those_that_titles_name(world: Path) -> None:
    items = pl.read_parquet(world / "items.parquet")
    named = items["title"].str.extract_groups(r"\((?<series>The .+ Series), Book (?<series_position>\d+)\)$").struct
    assert items["series"].equals(named.field("series"))
    assert items["series_position"].equals(named.field("series_position").cast(pl.Float32))
    assert 0.15 < items.filter(pl.col("item_type") == "audiobook")["series"].is_not_null().to_numpy().mean() < 0.35
    assert items.filter(pl.col("item_type") == "podcast")["series"].is_null().all()


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which half of the people follow."""
    out = tmp_path_factory.mktemp("followed") / "world"
    make_world(out, followers=0.5)
    return out


def test_followers_go_on_to_the_next_volume(followed: Path) -> None:
    """Of the volumes streamed in the first half, to which a next one belongs, how many did the next one come after?"""
    truth, key = true_preferences(followed), ["series", "creators", "series_position"]
    assert truth.follows.mean() == pytest.approx(0.5, abs=0.05)
    volumes = pl.read_parquet(followed / "items.parquet", columns=["item_id", *key]).drop_nulls("series")
    following = volumes.with_columns(pl.col("series_position") - 1).rename({"item_id": "next"})
    events = pl.read_parquet(followed / "interactions.parquet").filter(pl.col("signal") == "stream")
    first = events.group_by("user_id", "item_id").agg(start=pl.col("timestamp").min())
    early = first.filter(pl.col("start") < events["timestamp"].to_numpy().min() + DAYS / 2 * SECONDS)
    pairs = early.join(volumes, on="item_id").join(following, on=key)
    later = first.select("user_id", next="item_id", then="start")
    went_on = pairs.join(later, on=["user_id", "next"], how="left").with_columns(
        goes_on=(pl.col("then") > pl.col("start")).fill_null(value=False)
    )
    people = pl.DataFrame({"user_id": truth.user_ids, "follows": truth.follows})
    rates = dict(went_on.join(people, on="user_id").group_by("follows").agg(pl.col("goes_on").mean()).iter_rows())
    assert rates[True] > 2.5 * rates[False]


def test_followers_stay_with_creators(followed: Path) -> None:
    truth = true_preferences(followed)
    creators = pl.read_parquet(followed / "items.parquet", columns=["item_id", "item_type", "creators"])
    podcasts = creators.filter(pl.col("item_type") == "podcast").with_columns(pl.col("creators").list.first())
    events = pl.read_parquet(followed / "interactions.parquet").filter(pl.col("signal") == "stream")
    heard = events.unique(["user_id", "item_id"]).join(podcasts, on="item_id")
    people = pl.DataFrame({"user_id": truth.user_ids, "follows": truth.follows})
    each = heard.group_by("user_id", "creators").len().join(people, on="user_id")
    of_one = dict(each.group_by("follows").agg(pl.col("len").mean()).iter_rows())
    assert of_one[True] - 1 > 1.5 * (of_one[False] - 1)


def test_following_changes_neither_the_catalogue_nor_the_people(world: Path, followed: Path) -> None:
    for name in ("items", "users"):
        assert (world / f"{name}.parquet").read_bytes() == (followed / f"{name}.parquet").read_bytes()
    assert not true_preferences(world).follows.any()


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world that is made as those are that have many items."""
    out = tmp_path_factory.mktemp("sparse") / "world"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "_MANY", 1000)
        patch.setattr(catalogue, "_TRIES", 2)
        patch.setattr(choices, "_CELLS_AT_ONCE", 300_000)  # 100 users at once
        make_world(out, users=1200, audiobooks=1000, podcasts=3000, per_user=6)
    return out


def test_a_user_streams_as_many_items_as_asked_for(sparse: Path) -> None:
    streams = pl.read_parquet(sparse / "interactions.parquet").filter(pl.col("signal") == "stream")
    assert streams.select("user_id", "item_id").n_unique() / 1200 == pytest.approx(6, rel=0.03)
    assert streams["user_id"].n_unique() == 1200
    considered = pl.read_parquet(sparse / "truth" / "considered.parquet").select("user", "item")
    assert considered.is_unique().all()


def test_items_of_a_used_up_theme_keep_their_first_title(sparse: Path) -> None:
    items = pl.read_parquet(sparse / "items.parquet")
    assert items["item_id"].n_unique() == 4000
    assert 0.75 * 4000 < items["title"].n_unique() < 4000
    assert items["description"].n_unique() > 0.95 * 4000


def test_the_truth_prefers_what_was_streamed_to_another_item(sparse: Path) -> None:
    truth, considered = true_preferences(sparse), pl.read_parquet(sparse / "truth" / "considered.parquet")
    shows = considered.filter(pl.col("streamed"), pl.col("user") < 200, pl.col("item") >= 1000)
    user, item = shows["user"].to_numpy(), shows["item"].to_numpy()
    scores = truth.scores(np.arange(200))
    assert (scores[user, item] > scores[user, np.random.default_rng(0).integers(1000, 4000, len(user))]).mean() > 0.9


@pytest.mark.parametrize("per_user", [0.5, float("inf"), float("nan")])
def test_a_user_streams_each_adopted_type_at_least_once(tmp_path: Path, per_user: float) -> None:
    with pytest.raises(SettingsError, match=r"more than 1\.[34]"):
        make_world(tmp_path / "w", users=500, audiobooks=30, podcasts=20, per_user=per_user)


def test_a_third_item_type_is_an_argument(tmp_path: Path, importer: Importer) -> None:
    articles = dataclasses.replace(audiobook_type(50), name="article", weak=("preview",), hours=0.1)
    assert isinstance(articles, ItemType)
    make_world(tmp_path / "w", users=200, audiobooks=60, podcasts=40, more_types=[articles])
    events = pl.read_parquet(tmp_path / "w" / "interactions.parquet")
    assert set(events.filter(pl.col("item_type") == "article")["signal"]) == {"stream", "preview"}
    data = importer.run(source=str(tmp_path / "w"))
    assert data.item_types == ("article", "audiobook", "podcast")
    assert data.summary["rejected"] == {}
    assert true_preferences(tmp_path / "w").scores(np.arange(3)).shape == (3, 150)
