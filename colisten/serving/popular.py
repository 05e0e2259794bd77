"""What is popular where: the reason left for a recommendation that nothing somebody heard explains."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colisten.listening.data import ListeningData

EVERYWHERE = ""
"""Stands for all countries together."""
_PLACES = 100
_FEW = 5
"""Fewer listeners make nothing popular, and would tell what single people of a small country hear."""


def popular_items(data: ListeningData) -> Iterator[tuple[str, int, int, int]]:
    """`country`, `item`, `place` (from 1, within the item's type), `listeners`: the first 100 of each type, everywhere
    and in each country that the users table knows."""
    events = pl.scan_parquet(data.interactions).filter(pl.col("signal") < data.strong)
    items = data.items.lazy().filter(~pl.col("retired")).select("item", "item_type")
    heard = events.select("user", "item").unique().join(items, on="item")
    yield from _places(heard.with_columns(country=pl.lit(EVERYWHERE)))
    if data.users.schema.get("country") == pl.String:
        yield from _places(heard.join(data.users.lazy().select("user", "country").drop_nulls(), on="user"))


def _places(heard: pl.LazyFrame) -> Iterator[tuple[str, int, int, int]]:
    counted = heard.group_by("country", "item_type", "item").agg(listeners=pl.len()).filter(pl.col("listeners") >= _FEW)
    order = pl.struct(-pl.col("listeners").cast(pl.Int64), "item").rank("ordinal").over("country", "item_type")
    found = counted.with_columns(place=order).filter(pl.col("place") <= _PLACES)
    return found.select("country", "item", "place", "listeners").collect(engine="streaming").iter_rows()
