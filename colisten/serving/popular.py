"""The most popular items of each type, per country and overall: a reason where the user's history gives none."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colisten.listening.data import ListeningData

EVERYWHERE = ""
"""Stands for all countries together."""
_TOP = 100
MIN_LISTENERS = 5
"""An item with fewer is not popular; in a small country it would disclose single listeners (k-anonymity)."""


def popular_items(data: ListeningData) -> Iterator[tuple[str, int, int, int]]:
    """The 100 items of each type with the most listeners, overall and in each country of the users table.

    Yields:
        `country`, `item`, `place` (from 1, within the item's type), `listeners` (distinct users who streamed it).
    """
    items = data.items.lazy().filter(~pl.col("retired")).select("item", "item_type")
    heard = data.streams.select("user", "item").unique().join(items, on="item")
    yield from _ranked(heard.with_columns(country=pl.lit(EVERYWHERE)))
    if data.users.schema.get("country") == pl.String:
        yield from _ranked(heard.join(data.users.lazy().select("user", "country").drop_nulls(), on="user"))


def _ranked(heard: pl.LazyFrame) -> Iterator[tuple[str, int, int, int]]:
    counted = heard.group_by("country", "item_type", "item").agg(listeners=pl.len())
    popular = counted.filter(pl.col("listeners") >= MIN_LISTENERS)
    order = pl.struct(-pl.col("listeners").cast(pl.Int64), "item").rank("ordinal").over("country", "item_type")
    ranked = popular.with_columns(place=order).filter(pl.col("place") <= _TOP)
    return ranked.select("country", "item", "place", "listeners").collect(engine="streaming").iter_rows()
