"""Distinct user–item pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.ragged import distinct

ANY = 256
"""Above every signal code."""
LATEST = 1000
"""So many of a user's events make item–item weights and are looked up in them: co-counts grow with their square."""


@dataclass(frozen=True)
class UserItemPairs:
    """Distinct (user, item) pairs."""

    users: Int64s
    items: Int64s
    weights: Floats | None = None
    """[n] what each counts; None: all the same, 1."""

    def __len__(self) -> int:
        return len(self.users)

    @property
    def keys(self) -> Int64s:
        """[n] both in one number, as in `UserHistories.keys`."""
        return self.users << 32 | self.items

    def where(self, chosen: Int64s | Bools | slice) -> UserItemPairs:
        weights = None if self.weights is None else self.weights[chosen]
        return UserItemPairs(self.users[chosen], self.items[chosen], weights)


def concatenated(shards: Iterable[tuple[slice, UserItemPairs]]) -> UserItemPairs:
    """Pairs of shards, whose users are counted from their first, as pairs of all users; none has weights."""
    users, items = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for people, pairs in shards:
        users.append(pairs.users + people.start)
        items.append(pairs.items)
    return UserItemPairs(np.concatenate(users), np.concatenate(items))


def pairs_of(histories: UserHistories, signals: int) -> UserItemPairs:
    """Distinct (user, item) of events with signal codes below `signals`, ordered."""
    return _distinct_pairs(histories, histories.signals < signals)


def listeners(histories: UserHistories, signals: int, items: int) -> Int64s:
    """[items] people with an event on each that has a signal code below `signals`."""
    counts = np.zeros(items, np.int64)
    for _, some in histories.shards():
        counts += np.bincount(pairs_of(some, signals).items, minlength=items)
    return counts


def latest_pairs(histories: UserHistories, signals: int) -> UserItemPairs:
    """Distinct (user, item) of each user's latest events with signal codes below `signals`, ordered."""
    if len(histories.items) <= LATEST:
        return pairs_of(histories, signals)
    counted = histories.keep(histories.signals < signals)
    back = counted.indptr[counted.owners + 1] - np.arange(len(counted.items))
    return pairs_of(counted.keep(back <= LATEST), signals)


def given_pairs(histories: UserHistories, code: int) -> UserItemPairs:
    """Distinct (user, item) with this signal, ordered."""
    return _distinct_pairs(histories, histories.signals == code)


def _distinct_pairs(histories: UserHistories, chosen: Bools) -> UserItemPairs:
    keys = distinct(histories.keys[chosen])
    return UserItemPairs(keys >> 32, keys & 0xFFFFFFFF)
