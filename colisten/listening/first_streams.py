"""The order in which people came to their items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from colisten.arrays import Int64s
from colisten.listening.histories import UserHistories
from colisten.ragged import starts


@dataclass(frozen=True)
class FirstStreams:
    """Distinct (user, item), ordered by user and by the time of the first stream; equal times have no order."""

    users: Int64s
    """[n] ascending"""
    items: Int64s
    """[n]"""
    same: Int64s
    """[n] the place at which the user's items of the same time begin."""
    later: Int64s
    """[n] the place at which the user's items of later times begin."""
    end: Int64s
    """[n] the place at which the next user's items begin."""

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def of(cls, histories: UserHistories, strong: int) -> Self:
        """Of events with signal codes below `strong`; what has no time was before everything."""
        streams = histories.keep(histories.signals < strong)
        order = np.lexsort((streams.timestamps, streams.keys))
        first = order[starts(streams.keys[order])]
        first = first[np.lexsort((streams.timestamps[first], streams.owners[first]))]
        users, times = streams.owners[first], streams.timestamps[first]
        begins = np.flatnonzero((np.diff(users, prepend=-1) != 0) | (np.diff(times, prepend=-2) != 0))
        groups = np.diff(np.append(begins, len(users)))
        return cls(
            users,
            streams.items[first].astype(np.int64),
            np.repeat(begins, groups),
            np.repeat(begins + groups, groups),
            np.searchsorted(users, users, side="right"),
        )

    @property
    def newer(self) -> Int64s:
        """[n] how many of the user's items came later."""
        return self.end - self.later
