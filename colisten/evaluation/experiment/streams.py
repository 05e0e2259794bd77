"""Streams of people by id, with times, that exposures are held against."""

from __future__ import annotations

import polars as pl

from colisten.listening.data import ListeningData


def imported_streams(data: ListeningData) -> pl.LazyFrame:
    """Streams as `user_id`, `item_id`, `item_type`, `time`; those without a time count as before everything."""
    users, items = data.users.lazy().select("user", "user_id"), data.items.lazy().select("item", "item_id", "item_type")
    named = data.streams.join(users, on="user").join(items, on="item")
    return named.select("user_id", "item_id", "item_type", time=pl.col("timestamp").fill_null(-1))
