"""Time-decayed popularity: one number per item, the recommendation for a user without any history."""

from __future__ import annotations

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.listening.histories import UserHistories

HALF_LIVES = (0, 365, 90, 30, 14, 7)
"""Days after which a listening counts half, tried on validation; 0: never less."""
_DAY = 86_400


def log_popularity(histories: UserHistories, strong: int, items: int, half_life: int) -> Floats:
    """[items] log(1 + listeners), each listener counted by the age of their latest event on the item."""
    streams = histories.keep(histories.signals < strong)
    keys = streams.keys
    order = np.lexsort((streams.timestamps, keys))
    last = order[np.diff(keys[order], append=-1) != 0]
    weights = freshness(streams.timestamps[last], int(streams.timestamps.max(initial=0)), half_life)
    popularity: Floats = np.log1p(np.bincount(streams.items[last], weights, minlength=items)).astype(np.float32)
    return popularity


def freshness(times: Int64s, now: int, half_life: int) -> Floats:
    """1 now, half of it `half_life` days before; 1 where the time is unknown (-1), or `half_life` is 0."""
    if not half_life:
        return np.ones(len(times), np.float32)
    recent: Floats = np.where(times < 0, 1.0, 0.5 ** ((now - times) / (half_life * _DAY))).astype(np.float32)
    return recent
