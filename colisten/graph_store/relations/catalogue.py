"""Edges that the catalogue itself tells: items of one series, items of one creator.

Each item is joined to those next to it in the order of its series, or of its creator's publications: a creator of
thousands of titles makes no more edges of one than any other.
"""

from __future__ import annotations

import polars as pl

_UNKNOWN_STEP = 0.5
"""Weight of two items of one series whose places in it are not known."""


def same_series(items: pl.DataFrame, cap: int) -> pl.DataFrame:
    """Pairs of items of one series, each with the `cap` next ones: `a`, `b`, `weight`, `step`.

    Args:
        items: `item`, `item_id`, `series`, `series_position`.
        cap: how many of those behind it an item is joined to.

    Returns:
        `step` float32: by how many places b comes behind a, null where that is not known; `weight` float32: one
        through it, and 1 at most.
    """
    named = items.select("item", "item_id", position="series_position", group=_name("series")).drop_nulls("group")
    pairs = _next_ones(named.sort("group", "position", "item_id", nulls_last=True), cap, "position")
    step = (pl.col("position_b") - pl.col("position")).cast(pl.Float32)
    weight = (1 / step.abs().clip(lower_bound=1)).fill_null(_UNKNOWN_STEP)
    return pairs.select("a", "b", weight=weight.cast(pl.Float32), step=step).unique(["a", "b"], keep="first")


def same_creator(items: pl.DataFrame, cap: int) -> pl.DataFrame:
    """Pairs of items with a creator in common, each with the `cap` that came out next: `a`, `b`, `weight`.

    Args:
        items: `item`, `item_id`, `creators`, `published`.
        cap: how many of those behind it an item is joined to, for each of its creators.

    Returns:
        `weight` float32: the cosine of the items' creators, shared / √(n_a · n_b).
    """
    names = items.select("item", "item_id", "published", group="creators").explode("group")
    named = names.with_columns(group=_name("group")).drop_nulls("group").unique(["item", "group"])
    pairs = _next_ones(named.sort("group", "published", "item_id", nulls_last=True), cap)
    ends = pairs.select(a=pl.min_horizontal("a", "b"), b=pl.max_horizontal("a", "b")).unique()
    creators = named.group_by("item").agg(pl.col("group"))
    both = ends.join(creators, left_on="a", right_on="item").join(creators, left_on="b", right_on="item", suffix="_b")
    shared = pl.col("group").list.set_intersection("group_b").list.len()
    cosine = shared / (pl.col("group").list.len() * pl.col("group_b").list.len()).sqrt()
    return both.select("a", "b", weight=cosine.cast(pl.Float32))


def _name(column: str) -> pl.Expr:
    """A name as it is compared: whatever its case and its spaces; null where it is empty."""
    words = pl.col(column).str.to_lowercase().str.strip_chars().str.replace_all(r"\s+", " ")
    return pl.when(words != "").then(words)


def _next_ones(ordered: pl.DataFrame, cap: int, *columns: str) -> pl.DataFrame:
    """Each row with the next `cap` of its `group`: `a`, `b` (items), and `columns` of both, those of b with `_b`."""
    pairs = [
        ordered.select(
            "group", *columns, a="item", b=pl.col("item").shift(-ahead), group_b=pl.col("group").shift(-ahead),
            **{f"{name}_b": pl.col(name).shift(-ahead) for name in columns},
        ).filter(pl.col("group") == pl.col("group_b"))
        for ahead in range(1, cap + 1)
    ]  # fmt: skip
    return pl.concat(pairs).filter(pl.col("a") != pl.col("b"))
