"""What was published of late by creators who are heard: a reason while hardly anybody knows the item itself."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colisten.listening.data import ListeningData
from colisten.serving.popular import MIN_LISTENERS

_DAYS = 30


def new_releases(data: ListeningData) -> Iterator[tuple[int, int, str, int]]:
    """Items published in the last 30 days before the newest interaction, with the creator of theirs most people hear.

    Yields:
        `item`, `days` (since it was published), `creator`, `listeners` (distinct users who streamed anything of the
        creator's).
    """
    latest = data.streams.select(pl.from_epoch(pl.col("timestamp").max()).dt.date()).collect().item()
    if latest is None or not {"published", "creators"} <= set(data.items.columns):
        return
    by = data.items.lazy().select("item", creator="creators").explode("creator").drop_nulls("creator")
    days = (pl.lit(latest) - pl.col("published")).dt.total_days()
    recent = data.items.lazy().filter(~pl.col("retired"), days.is_between(0, _DAYS)).select("item", days=days)
    fresh = recent.join(by, on="item")
    heard = data.streams.select("user", "item").join(by.join(fresh, on="creator", how="semi"), on="item")
    listeners = heard.group_by("creator").agg(listeners=pl.col("user").n_unique())
    known = fresh.join(listeners.filter(pl.col("listeners") >= MIN_LISTENERS), on="creator")
    most = known.sort("item", "listeners", "creator", descending=[False, True, False]).unique("item", keep="first")
    yield from most.select("item", "days", "creator", "listeners").sort("item").collect(engine="streaming").iter_rows()
