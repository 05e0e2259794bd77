"""Checking lists of recommendations: ranks renumbered, faults counted."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl

from colisten.errors import DataError
from colisten.evaluation.held_out_streams import HeldOutStreams


@dataclass(frozen=True)
class Faults:
    """Numbers of faulty recommendations; these keep their place in the list and never count as hits."""

    foreign: int
    """Rows whose item is not in the catalogue of the type."""
    heard: int
    """Rows whose item the user streamed in training."""
    repeated: int
    """Rows that name an item a second time for the same user."""
    users_without: int
    """Test users without a single recommendation: they count as zero."""
    users_short: int
    """Test users with fewer than k recommendations."""
    users_tied: int
    """Test users whose k-th and (k + 1)-th item score the same, so that the order of items decides."""

    def sentences(self) -> list[str]:
        """One line for each fault found; ties are no fault."""
        texts = {
            "foreign": "recommendations are not items of the type",
            "heard": "recommendations were already streamed by the user",
            "repeated": "recommendations name an item twice for the same user",
            "users_without": "test users have no recommendations and count as zero",
            "users_short": "test users have fewer recommendations than k",
        }
        found = asdict(self)
        return [f"! {found[name]:,} {text}" for name, text in texts.items() if found[name]]


def renumber_ranks(recommendations: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `item_id`, `score`, `rank`, with ranks renumbered from 1 in the order of the given ones.

    Raises:
        DataError: a column is missing, or a rank is null.
    """
    missing = {"user_id", "item_id", "score", "rank"} - set(recommendations.columns)
    if missing:
        raise DataError(
            f"The recommendations lack the column {sorted(missing)[0]!r}: they need user_id, item_id, score, rank."
        )
    if recommendations["rank"].null_count():
        raise DataError("Some recommendations have no rank: give every row one, 1 for the best.")
    return (
        recommendations.select(pl.col("user_id", "item_id").cast(pl.String), "score", "rank")
        .sort("user_id", "rank", maintain_order=True)
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_id"))
    )


def faults(lists: pl.DataFrame, held_out: HeldOutStreams, k: int) -> Faults:
    """Count the faults of `lists`, which come from `renumber_ranks`."""
    mine = lists.join(held_out.pairs.select("user_id").unique(), on="user_id", how="semi")
    lengths = mine.group_by("user_id").len()["len"]
    edge = (
        mine.filter(pl.col("rank").is_in([k, k + 1]))
        .group_by("user_id")
        .agg(tied=(pl.len() == 2) & (pl.col("score").n_unique() == 1))
    )
    return Faults(
        foreign=len(lists.join(held_out.catalogue, on="item_id", how="anti")),
        heard=len(lists.join(held_out.streamed, on=["user_id", "item_id"], how="semi")),
        repeated=len(lists) - len(lists.unique(["user_id", "item_id"])),
        users_without=held_out.pairs["user_id"].n_unique() - len(lengths),
        users_short=int((lengths < k).sum()),
        users_tied=int(edge["tied"].sum()),
    )
