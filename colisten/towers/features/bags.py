"""A user's history as bags of items, averaged per item type and signal (paper 4.2).

A bag is one kind of signal (all strong ones together, each weak one by itself) with one group of item types. The
paper's user tower (4.2) takes the mean of the streamed items per item type; weak signals have bags of their own here.
In the mean an item may count less the longer ago it was heard: half after so many days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.ragged import distinct, starts
from colisten.towers.features.freshness import freshness

_EVENTS_AT_ONCE = 1 << 16
"""Rows of content gathered at once: bounds memory, whatever the number of users."""
_DAY = 86_400
_FADED = 6.0
"""Half-lives after which an item fades no further, so that sums in single precision keep their digits."""


@dataclass(frozen=True)
class BagEntries:
    """Distinct (user, item, kind of signal), ordered by user and bag."""

    users: int
    owners: Int64s
    items: Int64s
    kinds: Int64s
    bags: Int64s
    weights: Floats
    """What each counts in the mean of its bag, above zero."""


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
    half_life: float = 0.0
    """Days after which an item counts half in the mean of its bag; 0: all count alike. One without a time counts like
    the oldest, one that is newer than `now` like the newest."""

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
        keys, weights = self._weighted((histories.owners * self.count + bags) * catalogue + items, histories.timestamps)
        rest, items = np.divmod(keys, catalogue)
        owners, bags = np.divmod(rest, self.count)
        return BagEntries(len(histories), owners, items, bags // self.groups, bags, weights)

    def _weighted(self, keys: Int64s, times: Int64s) -> tuple[Int64s, Floats]:
        """The distinct `keys`, ascending, and what each counts by the latest of its `times`.

        By age at one moment for everybody: an item counts the same whatever else is in its bag, so that a label can be
        taken out of a sum.
        """
        if not self.half_life:
            found = distinct(keys)
            return found, np.ones(len(found), np.float32)
        order = np.lexsort((-times, keys))
        latest = order[starts(keys[order])]
        time = np.minimum(times[latest], self.now)
        fresh = np.where(time < 0, 0, freshness(time, self.now, self.half_life))
        return keys[latest], fresh.clip(min=0.5**_FADED).astype(np.float32)

    def _recent(self, histories: UserHistories) -> Bools:
        newest = np.full(len(histories), self.now, np.int64)
        np.maximum.at(newest, histories.owners, histories.timestamps)
        return (histories.timestamps < 0) | (histories.timestamps >= newest[histories.owners] - self.days * _DAY)


@dataclass(frozen=True)
class BagSums:
    """Sums over the items of each bag, of some users."""

    content: Floats
    """[users, bags, width] of weight × content."""
    weights: Floats
    """[users, bags]"""
    counts: Floats
    """[users, bags] items."""

    @classmethod
    def of(cls, history: BagEntries, bags: int, content: Floats) -> Self:
        """Sum the rows of `content` [items, width] in each of so many bags a user."""
        places, shape = history.owners * bags + history.bags, (history.users, bags)
        cells = history.users * bags
        counts, weights = (np.bincount(places, some, minlength=cells) for some in (None, history.weights))
        sums = np.zeros((cells, content.shape[1]), np.float32)
        firsts = starts(places)
        begin = 0
        while begin < len(firsts):
            end = max(begin + 1, int(np.searchsorted(firsts, firsts[begin] + _EVENTS_AT_ONCE)))
            some = slice(firsts[begin], firsts[end] if end < len(firsts) else len(places))
            rows = content[history.items[some]]
            rows *= history.weights[some, None]
            sums[places[firsts[begin:end]]] = np.add.reduceat(rows, firsts[begin:end] - firsts[begin], axis=0)
            begin = end
        return cls(
            sums.reshape(*shape, content.shape[1]),
            weights.astype(np.float32).reshape(shape),
            counts.astype(np.float32).reshape(shape),
        )

    def take(self, users: Int64s) -> BagSums:
        """Of some users, in the order given."""
        return BagSums(self.content[users], self.weights[users], self.counts[users])

    def features(self) -> Floats:
        """[users, bags × (width + 1)]: the mean of each bag (zeros where empty) and the logarithm of its size."""
        means = self.content / np.where(self.counts > 0, self.weights, 1)[:, :, None]
        return np.concatenate(
            [means.reshape(len(means), means.shape[1] * means.shape[2]), np.log1p(self.counts)],
            axis=1, dtype=np.float32,
        )  # fmt: skip


@dataclass(frozen=True)
class HeldItems:
    """What histories hold, ordered for questions about single items."""

    keys: Int64s
    """Ascending, one for each entry."""
    entry_weights: Floats
    catalogue: int
    kinds: int

    @classmethod
    def of(cls, history: BagEntries, layout: BagLayout) -> Self:
        catalogue, kinds = len(layout.group_of), layout.kinds
        keys = (history.owners * catalogue + history.items) * kinds + history.kinds
        order = np.argsort(keys)
        return cls(keys[order], history.weights[order], catalogue, kinds)

    def weights(self, users: Int64s, items: Int64s) -> Floats:
        """[pairs, kinds] what the item counts in its bag; 0 where the user's history has it not."""
        asked = ((users * self.catalogue + items) * self.kinds)[:, None] + np.arange(self.kinds)
        if not len(self.keys):
            return np.zeros(asked.shape, np.float32)
        places = np.searchsorted(self.keys, asked).clip(max=len(self.keys) - 1)
        return np.where(self.keys[places] == asked, self.entry_weights[places], 0).astype(np.float32)
