"""All metrics of one recommender, user by user and of its lists as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from colisten.arrays import Floats
from colisten.evaluation import beyond_accuracy
from colisten.evaluation.held_out_streams import HeldOutStreams
from colisten.evaluation.lists import Faults, faults, renumber_ranks
from colisten.evaluation.metrics import accuracy_metrics, value_metrics

DEPTH = 100
"""Length of the lists that MRR and the wide coverage look at."""


@dataclass(frozen=True)
class ItemVectors:
    """Item embeddings that diversity is measured in: `vectors` float32 [items, width] of `item_ids`."""

    item_ids: pl.Series
    vectors: Floats


@dataclass(frozen=True)
class Scores:
    """The metrics of one recommender on one item type."""

    accuracy: dict[str, pl.DataFrame]
    """Per segment: `user_id` (ascending, every user of the segment) and one column per metric."""
    lists: dict[str, float]
    """Beyond-accuracy metrics by name."""
    long_tail: list[float]
    """Share of the first k that the most popular 0 %, 1 %, …, 100 % of the catalogue have."""
    faults: Faults


def score(
    held_out: HeldOutStreams, recommendations: pl.DataFrame, k: int, vectors: ItemVectors | None = None
) -> Scores:
    """Score a table of recommendations (`user_id`, `item_id`, `score`, `rank`), by value too where it is known.

    Raises:
        DataError: the table cannot be read as lists.
    """
    lists = renumber_ranks(recommendations)
    ranks = lists.group_by("user_id", "item_id").agg(pl.col("rank").min())
    found = held_out.pairs.join(ranks, on=["user_id", "item_id"], how="left")
    by_value = value_metrics(k) if found["value"].count() else []
    shown = _shown(held_out, lists)
    per_segment = {
        name: found.filter(mask).group_by("user_id").agg(accuracy_metrics(k) + by_value).sort("user_id")
        for name, mask in held_out.segments.items()
    }
    return Scores(
        accuracy={name: users for name, users in per_segment.items() if len(users)},
        lists=_of_lists(held_out, shown, k, vectors),
        long_tail=beyond_accuracy.long_tail(shown, k, held_out.catalogue.select("item_id", "listeners")),
        faults=faults(lists, held_out, k),
    )


def _of_lists(held_out: HeldOutStreams, shown: pl.DataFrame, k: int, vectors: ItemVectors | None) -> dict[str, float]:
    size, listeners = len(held_out.catalogue), held_out.catalogue.select("item_id", "listeners")
    streamed = held_out.streamed.with_columns(rank=pl.lit(1))
    popularity = beyond_accuracy.popularity(shown, k, listeners, held_out.listeners)
    profiles = beyond_accuracy.popularity(streamed, k, listeners, held_out.listeners)
    genres = held_out.catalogue.select("item_id", "genres")
    by_user = [
        popularity,
        beyond_accuracy.novelty(shown, k, listeners, held_out.listeners),
        beyond_accuracy.calibration(shown, k, held_out.streamed, genres),
    ]
    if vectors is not None:
        by_user.append(beyond_accuracy.diversity(shown, k, vectors.item_ids, vectors.vectors))
    means = {table.columns[1]: table.select(pl.nth(1).mean()).item() for table in by_user if len(table)}
    return {
        f"coverage@{k}": beyond_accuracy.coverage(shown, k, size),
        f"coverage@{DEPTH}": beyond_accuracy.coverage(shown, DEPTH, size),
        f"gini@{k}": beyond_accuracy.gini(shown, k, size),
        **means,
        "popularity lift": beyond_accuracy.popularity_lift(popularity, profiles, k),
    }


def _shown(held_out: HeldOutStreams, lists: pl.DataFrame) -> pl.DataFrame:
    """Recommendations to test users of items of the catalogue."""
    mine = lists.join(held_out.users.to_frame(), on="user_id", how="semi")
    return mine.join(held_out.catalogue.select("item_id"), on="item_id", how="semi")
