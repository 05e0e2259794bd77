"""A user's history as bags of items, averaged per item type and signal (paper 4.2).

A bag is one kind of signal (all strong ones together, each weak one by itself) with one group of item types. The
paper's user tower (4.2) takes the mean of the streamed items per item type; weak signals have bags of their own here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.ragged import distinct, starts

_EVENTS_AT_ONCE = 1 << 16
"""Rows of content gathered at once: bounds memory, whatever the number of users."""
_DAY = 86_400


@dataclass(frozen=True)
class BagEntries:
    """Distinct (user, item, kind of signal), ordered by user and bag."""

    users: int
    owners: Int64s
    items: Int64s
    kinds: Int64s
    bags: Int64s


@dataclass(frozen=True)
class BagLayout:
    """How events are grouped into bags."""

    strong: int
    """Signal codes below this are strong: kind 0. Each further signal is a kind of its own."""
    signals: int
    groups: int
    group_of: Codes
    """[items] group of item types."""
    days: int
    """Days of history that count, back from `now`; 0: all."""
    now: int
    """Newest time in training, seconds; a user with a newer event counts back from that."""

    @property
    def kinds(self) -> int:
        return 1 + self.signals - self.strong

    @property
    def count(self) -> int:
        return self.kinds * self.groups

    def history(self, histories: UserHistories) -> BagEntries:
        """What the bags of these users hold, each item once per kind of signal."""
        if self.days:
            histories = histories.keep(self._recent(histories))
        items = histories.items.astype(np.int64)
        kinds = np.maximum(histories.signals.astype(np.int64) - self.strong + 1, 0)
        bags = kinds * self.groups + self.group_of[items].astype(np.int64)
        catalogue = len(self.group_of)
        keys = distinct((histories.owners * self.count + bags) * catalogue + items)
        rest, items = np.divmod(keys, catalogue)
        owners, bags = np.divmod(rest, self.count)
        return BagEntries(len(histories), owners, items, bags // self.groups, bags)

    def _recent(self, histories: UserHistories) -> Bools:
        newest = np.full(len(histories), self.now, np.int64)
        np.maximum.at(newest, histories.owners, histories.timestamps)
        return (histories.timestamps < 0) | (histories.timestamps >= newest[histories.owners] - self.days * _DAY)


def bag_sums(history: BagEntries, bags: int, content: Floats) -> tuple[Floats, Floats]:
    """Sum of `content` [items, width] in each bag, [users, bags, width], and the items in it, [users, bags]."""
    places = history.owners * bags + history.bags
    counts = np.bincount(places, minlength=history.users * bags).astype(np.float32)
    sums = np.zeros((history.users * bags, content.shape[1]), np.float32)
    firsts = starts(places)
    begin = 0
    while begin < len(firsts):
        end = max(begin + 1, int(np.searchsorted(firsts, firsts[begin] + _EVENTS_AT_ONCE)))
        last = firsts[end] if end < len(firsts) else len(places)
        rows = content[history.items[firsts[begin] : last]]
        sums[places[firsts[begin:end]]] = np.add.reduceat(rows, firsts[begin:end] - firsts[begin], axis=0)
        begin = end
    return sums.reshape(history.users, bags, content.shape[1]), counts.reshape(history.users, bags)


def bag_means(sums: Floats, counts: Floats) -> Floats:
    """[users, bags × (width + 1)]: the mean of each bag (zeros where empty) and the logarithm of its size."""
    means = sums / np.maximum(counts, 1)[:, :, None]
    return np.concatenate(
        [means.reshape(len(means), means.shape[1] * means.shape[2]), np.log1p(counts)], axis=1, dtype=np.float32
    )


@dataclass(frozen=True)
class HeldItems:
    """What histories hold, ordered for questions about single items."""

    keys: Int64s
    """Ascending, one for each entry."""
    catalogue: int
    kinds: int

    @classmethod
    def of(cls, history: BagEntries, layout: BagLayout) -> Self:
        catalogue, kinds = len(layout.group_of), layout.kinds
        return cls(np.sort((history.owners * catalogue + history.items) * kinds + history.kinds), catalogue, kinds)

    def have(self, users: Int64s, items: Int64s) -> Bools:
        """[pairs, kinds]: does the user's history hold the item under this kind of signal?"""
        asked = ((users * self.catalogue + items) * self.kinds)[:, None] + np.arange(self.kinds)
        places = np.searchsorted(self.keys, asked).clip(max=max(len(self.keys) - 1, 0))
        return self.keys[places] == asked if len(self.keys) else np.zeros(asked.shape, bool)
