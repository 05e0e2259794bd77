"""User histories from listening data, and back to interactions: between tables and arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from colisten.arrays import Int32s
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories


def read_histories(data: ListeningData, users: Int32s | None = None, *, values: bool = False) -> UserHistories:
    """Events and features of `users` (all of them if None), in the order given; `values` of events only if asked for.

    Only these users' interactions are read into memory, 13 bytes an event.
    """
    table = data.users
    chosen = np.arange(len(table), dtype=np.int32) if users is None else np.asarray(users, np.int32)
    events = pl.scan_parquet(data.interactions, glob=False).select("user", "item", "signal", "timestamp", "value")
    if users is not None:
        events = events.filter(pl.col("user").is_in(np.unique(chosen).tolist()))
        table = table[chosen]
    found = events.collect().sort("user", maintain_order=True)
    all_users = UserHistories(
        np.searchsorted(found["user"].to_numpy(), np.arange(len(data.users) + 1)).astype(np.int64),
        found["item"].to_numpy(),
        found["signal"].to_numpy(),
        found["timestamp"].fill_null(-1).to_numpy(),
        {},
        found["value"].cast(pl.Float32).fill_null(1).to_numpy() if values else None,
    )
    events_of = all_users if users is None else all_users.take(chosen.astype(np.int64))
    features = {name: table[name].to_list() for name in table.columns if name not in ("user", "user_id")}
    return replace(events_of, features=features)


def interactions_of(histories: UserHistories) -> pl.DataFrame:
    """The events of some histories, as `user`, `item`, `signal`, `timestamp` (as in `interactions.parquet`)."""
    times = pl.Series("timestamp", histories.timestamps)
    return pl.DataFrame(
        {
            "user": histories.owners.astype(np.int32),
            "item": histories.items,
            "signal": histories.signals,
            "timestamp": times.set(times < 0, None),
        }
    )
