"""One recommender's figures, user by user and as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from colisten.arrays import Floats
from colisten.evaluation import metrics_lists as shape
from colisten.evaluation.held_out_streams import HeldOutStreams
from colisten.evaluation.lists import Faults, faults, in_order
from colisten.evaluation.metrics import accuracy, worth

DEPTH = 100
"""How deep a list is looked at: MRR and the wide coverage."""


@dataclass(frozen=True)
class ItemVectors:
    """What diversity is measured over: `vectors` float32 [items, width] of `item_ids`."""

    item_ids: pl.Series
    vectors: Floats


@dataclass(frozen=True)
class Scores:
    """The figures of one recommender on one item type."""

    accuracy: dict[str, pl.DataFrame]
    """Per segment: `user_id` (ascending, every user of the segment) and one column per metric."""
    lists: dict[str, float]
    """Figures of the lists as a whole."""
    long_tail: list[float]
    """Share of the first k that goes to the most heard 0 %, 1 %, …, 100 % of the catalogue."""
    faults: Faults


def score(
    held_out: HeldOutStreams, recommendations: pl.DataFrame, k: int, vectors: ItemVectors | None = None
) -> Scores:
    """Judge a table of recommendations (`user_id`, `item_id`, `score`, `rank`), by value too where it is known.

    Raises:
        DataError: the table cannot be read as lists.
    """
    lists = in_order(recommendations)
    ranks = lists.group_by("user_id", "item_id").agg(pl.col("rank").min())
    found = held_out.pairs.join(ranks, on=["user_id", "item_id"], how="left")
    valued = worth(k) if found["value"].count() else []
    shown = _shown(held_out, lists)
    per_segment = {
        name: found.filter(mask).group_by("user_id").agg(accuracy(k) + valued).sort("user_id")
        for name, mask in held_out.segments.items()
    }
    return Scores(
        accuracy={name: users for name, users in per_segment.items() if len(users)},
        lists=_of_lists(held_out, shown, k, vectors),
        long_tail=shape.long_tail(shown, k, held_out.catalogue.select("item_id", "listeners")),
        faults=faults(lists, held_out, k),
    )


def _of_lists(held_out: HeldOutStreams, shown: pl.DataFrame, k: int, vectors: ItemVectors | None) -> dict[str, float]:
    size, listeners = len(held_out.catalogue), held_out.catalogue.select("item_id", "listeners")
    liked = shape.popularity(shown, k, listeners, held_out.listeners)
    taste = shape.popularity(held_out.heard.with_columns(rank=pl.lit(1)), k, listeners, held_out.listeners)
    genres = held_out.catalogue.select("item_id", "genres")
    by_user = [
        liked,
        shape.novelty(shown, k, listeners, held_out.listeners),
        shape.calibration(shown, k, held_out.heard, genres),
    ]
    if vectors is not None:
        by_user.append(shape.diversity(shown, k, vectors.item_ids, vectors.vectors))
    means = {table.columns[1]: table.select(pl.nth(1).mean()).item() for table in by_user}
    return {
        f"coverage@{k}": shape.coverage(shown, k, size),
        f"coverage@{DEPTH}": shape.coverage(shown, DEPTH, size),
        f"gini@{k}": shape.gini(shown, k, size),
        **means,
        "popularity lift": shape.popularity_lift(liked, taste, k),
    }


def _shown(held_out: HeldOutStreams, lists: pl.DataFrame) -> pl.DataFrame:
    """What the test users are shown of the catalogue."""
    mine = lists.join(held_out.users.to_frame(), on="user_id", how="semi")
    return mine.join(held_out.catalogue.select("item_id"), on="item_id", how="semi")
