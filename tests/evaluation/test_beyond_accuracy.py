"""Beyond-accuracy metrics against plain loops."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from colisten.evaluation import beyond_accuracy

from . import worlds

K = 4
Split = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Lists, streams (user_id, item_id), items."""
    split = worlds.random_split(tmp_path_factory.mktemp("lists") / "split")
    items = pl.read_parquet(split / "train" / "items.parquet")
    streamed = pl.read_parquet(split / "train" / "interactions.parquet").select("user_id", "item_id")
    return worlds.random_lists(split, seed=3, depth=6), streamed, items


def top(lists: pl.DataFrame) -> dict[str, list[str]]:
    firsts = lists.filter(pl.col("rank") <= K).sort("user_id", "rank")
    return {str(key[0]): rows["item_id"].to_list() for key, rows in firsts.group_by("user_id", maintain_order=True)}


def as_dict(table: pl.DataFrame) -> dict[str, float]:
    return dict(table.sort("user_id").iter_rows())


def test_coverage_and_gini(world: Split) -> None:
    lists, _, items = world
    shown = Counter(item for names in top(lists).values() for item in names)
    assert beyond_accuracy.coverage(lists, K, len(items)) == len(shown) / len(items)
    counts = [shown.get(item, 0) for item in items["item_id"]]
    pairwise = sum(abs(a - b) for a in counts for b in counts) / (2 * len(counts) * sum(counts))
    assert beyond_accuracy.gini(lists, K, len(items)) == pytest.approx(pairwise)


def test_novelty_popularity_and_lift(world: Split) -> None:
    lists, streamed, _ = world
    listeners = streamed.group_by("item_id").agg(listeners=pl.col("user_id").n_unique())
    count = dict(listeners.iter_rows())
    users = streamed["user_id"].n_unique()
    expected = {
        u: np.mean([-math.log2((count.get(i, 0) + 1) / (users + 1)) for i in names]) for u, names in top(lists).items()
    }
    assert as_dict(beyond_accuracy.novelty(lists, K, listeners, users)) == pytest.approx(expected)
    popularity = beyond_accuracy.popularity(lists, K, listeners, users)
    popular = {u: np.mean([count.get(i, 0) / users for i in names]) for u, names in top(lists).items()}
    assert as_dict(popularity) == pytest.approx(popular)
    profiles = beyond_accuracy.popularity(streamed.with_columns(rank=pl.lit(1)), K, listeners, users)
    own = {u: np.mean([count[i] / users for i in streamed.filter(pl.col("user_id") == u)["item_id"]]) for u in popular}
    lift = np.mean(list(popular.values())) / np.mean(list(own.values())) - 1
    assert beyond_accuracy.popularity_lift(popularity, profiles, K) == pytest.approx(lift)


def test_diversity(world: Split) -> None:
    lists, _, items = world
    vectors = np.random.default_rng(0).normal(size=(len(items), 5)).astype(np.float32)
    row = {item: vectors[i] / np.linalg.norm(vectors[i]) for i, item in enumerate(items["item_id"])}
    expected = {
        user: np.mean([1 - row[a] @ row[b] for a, b in combinations(names, 2)])
        for user, names in top(lists).items()
        if len(names) > 1
    }
    found = as_dict(beyond_accuracy.diversity(lists, K, items["item_id"], vectors).drop_nulls())
    assert found == pytest.approx(expected, abs=1e-5)


def test_calibration(world: Split) -> None:
    lists, streamed, items = world
    genres = dict(items.select("item_id", "genres").iter_rows())

    def shares(names: list[str]) -> dict[str, float]:
        sums: defaultdict[str, float] = defaultdict(float)
        for item in names:
            for genre in genres[item]:
                sums[genre] += 1 / len(genres[item])
        return {genre: weight / sum(sums.values()) for genre, weight in sums.items()}

    expected = {}
    for user, names in top(lists).items():
        p, q = shares(streamed.filter(pl.col("user_id") == user)["item_id"].to_list()), shares(names)
        expected[user] = sum(s * math.log(s / (0.99 * q.get(g, 0) + 0.01 * s)) for g, s in p.items())
    found = as_dict(beyond_accuracy.calibration(lists, K, streamed, items.select("item_id", "genres")))
    assert found == pytest.approx(expected)


def test_lists_without_rows_are_no_trouble(world: Split) -> None:
    lists, streamed, items = world
    none = lists.clear()
    assert beyond_accuracy.coverage(none, K, len(items)) == 0
    assert beyond_accuracy.gini(none, K, len(items)) == 0
    assert beyond_accuracy.diversity(none, K, items["item_id"], np.ones((len(items), 2), np.float32)).is_empty()
    assert beyond_accuracy.calibration(none, K, streamed, items.select("item_id", "genres")).is_empty()
