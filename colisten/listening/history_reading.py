"""User histories from listening data, and back to interactions: between tables and arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from colisten.arrays import Int32s, Int64s
from colisten.errors import WorkdirError
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories, joined, user_slices
from colisten.ragged import offsets


def read_histories(data: ListeningData, users: Int32s | None = None, *, values: bool = False) -> UserHistories:
    """Events and features of `users` (all of them if None), in the order given; `values` of events only if asked for.

    Only these users' interactions are read into memory, 13 bytes an event; those of all users lie in files of the
    data's folder, whose names are gone already.

    Raises:
        OutOfSpaceError: the disk is full.
        WorkdirError: somebody has put interactions into another order.
    """
    events = pl.scan_parquet(data.interactions, glob=False).select("user", "item", "signal", "timestamp", "value")
    table = data.users
    if users is not None:
        chosen = np.asarray(users, np.int32)
        found = events.filter(pl.col("user").is_in(np.unique(chosen).tolist())).collect()
        lengths = np.bincount(found["user"].to_numpy(), minlength=len(table))
        read = _histories(found, offsets(lengths), values=values).take(chosen.astype(np.int64))
        return replace(read, features=_features(table[chosen]))
    counted = events.group_by("user").len().collect(engine="streaming")
    lengths = np.zeros(len(table), np.int64)
    lengths[counted["user"].to_numpy()] = counted["len"].to_numpy()
    return joined(_pieces(events, offsets(lengths), values=values), _features(table), data.root)


def _pieces(events: pl.LazyFrame, indptr: Int64s, *, values: bool) -> Iterator[UserHistories]:
    """All users in order, their events read some users at a time."""
    for users in user_slices(indptr):
        mine = indptr[users.start : users.stop + 1]
        found = events.slice(int(mine[0]), int(mine[-1] - mine[0])).collect()
        if not np.array_equal(found["user"].to_numpy(), np.repeat(np.arange(users.start, users.stop), np.diff(mine))):
            raise WorkdirError("interactions.parquet is not ordered by user: remove the working folder's listening/.")
        yield _histories(found, mine - mine[0], values=values)


def _histories(events: pl.DataFrame, indptr: Int64s, *, values: bool) -> UserHistories:
    return UserHistories(
        indptr,
        events["item"].to_numpy(),
        events["signal"].to_numpy(),
        events["timestamp"].fill_null(-1).to_numpy(),
        {},
        events["value"].cast(pl.Float32).fill_null(1).to_numpy() if values else None,
    )


def _features(users: pl.DataFrame) -> dict[str, list[object]]:
    return {name: users[name].to_list() for name in users.columns if name not in ("user", "user_id")}


INTERACTIONS = {
    "user": pl.Int32, "item": pl.Int32, "signal": pl.UInt8, "timestamp": pl.Int64, "value": pl.Float32,
}  # fmt: skip


def interactions_of(histories: UserHistories) -> Iterator[pl.DataFrame]:
    """The events of some histories, as `user`, `item`, `signal`, `timestamp` and `value` (as in
    `interactions.parquet`; null, where histories have none), shard by shard."""
    for users, some in histories.shards():
        found = {
            "user": (some.owners + users.start).astype(np.int32),
            "item": some.items,
            "signal": some.signals,
            "timestamp": some.timestamps,
            "value": some.values,
        }
        known = pl.when(pl.col("timestamp") >= 0).then("timestamp")
        yield pl.DataFrame(found, INTERACTIONS).with_columns(timestamp=known)
