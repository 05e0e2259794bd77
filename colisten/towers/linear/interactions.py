"""Who has which item, both ways round: what the item–item weights are counted from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from colisten.arrays import Int32s, Int64s
from colisten.grouping import grouped
from colisten.listening.histories import UserHistories, user_slices
from colisten.listening.pairs import latest_pairs
from colisten.on_disk import GrowingArray
from colisten.ragged import offsets


@dataclass(frozen=True)
class Interactions:
    """Distinct users and items, by user and by item, each in CSR form; 8 bytes a pair, where the histories lie."""

    user_indptr: Int64s
    """[users + 1]"""
    items: Int32s
    """[n] of each user, ascending."""
    item_indptr: Int64s
    """[items + 1]"""
    users: Int32s
    """[n] of each item, ascending."""

    @property
    def listeners(self) -> Int64s:
        """[items] users who have each."""
        return np.diff(self.item_indptr)

    @classmethod
    def of(cls, histories: UserHistories, items: int, signals: int) -> Self:
        """Of each user's latest events with signal codes below `signals`."""
        lengths, listeners = np.zeros(len(histories), np.int64), np.zeros(items, np.int64)
        of_users = GrowingArray(np.int32, histories.scratch)
        for users, some in histories.shards():
            pairs = latest_pairs(some, signals)
            of_users.append(pairs.items)
            lengths[users] = np.bincount(pairs.users, minlength=len(some))
            listeners += np.bincount(pairs.items, minlength=items)
        indptr, whole = offsets(lengths), of_users.whole()
        item_indptr, of_items = grouped(_owners(indptr, whole), listeners, np.int32, histories.scratch)
        return cls(indptr, whole, item_indptr, of_items)


def _owners(indptr: Int64s, items: Int32s) -> Iterator[tuple[Int32s, Int32s]]:
    """Items with the user of each, some users at a time."""
    for users in user_slices(indptr):
        owners = np.arange(users.start, users.stop, dtype=np.int32)
        mine = indptr[users.start : users.stop + 1]
        yield items[mine[0] : mine[-1]], np.repeat(owners, np.diff(mine))
