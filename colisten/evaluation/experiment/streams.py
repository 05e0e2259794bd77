"""Streams of people by id, with times, that exposures are held against: those imported, and those posted as events."""

from __future__ import annotations

import polars as pl

from colisten.listening.data import ListeningData
from colisten.listening.events.store import EventStore
from colisten.workdir import Workdir

_EVENT = {"user_id": pl.String, "item_id": pl.String, "signal": pl.String, "time": pl.Int64, "value": pl.Float64}


def streams_of(workdir: Workdir) -> pl.LazyFrame:
    """`user_id`, `item_id`, `item_type`, `time` of what was imported and of what was posted.

    An event that a run has taken in is there twice. The type of an item that is not in the catalogue yet is null, the
    time of a stream without one -1: before everything.

    Raises:
        WorkdirError: the log of events is damaged.
    """
    data = ListeningData(workdir.listening)
    imported = imported_streams(data)
    store = EventStore.open(workdir.events)
    if store is None:
        return imported
    with store:
        posted = [pl.DataFrame(rows, _EVENT, orient="row").lazy() for rows in store.batches()]
    if not posted:
        return imported
    strong = pl.concat(posted).filter(pl.col("signal").is_in(data.signals[: data.strong]))
    typed = strong.join(data.items.lazy().select("item_id", "item_type"), on="item_id", how="left")
    return pl.concat([imported, typed.select("user_id", "item_id", "item_type", "time")])


def imported_streams(data: ListeningData) -> pl.LazyFrame:
    """`user_id`, `item_id`, `item_type`, `time` of what was imported."""
    users, items = data.users.lazy().select("user", "user_id"), data.items.lazy().select("item", "item_id", "item_type")
    named = data.streams.join(users, on="user").join(items, on="item")
    return named.select("user_id", "item_id", "item_type", time=pl.col("timestamp").fill_null(-1))
