"""Training pairs and their features, with each label taken out of its own user's history."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import ANY, UserItemPairs, listeners, pairs_of
from colisten.towers.features.bags import BagEntries, BagSums, HeldItems
from colisten.towers.features.columns import encode_columns
from colisten.towers.features.negative_signals import left_out
from colisten.towers.features.user_features import UserFeatures


@dataclass(frozen=True)
class UserExamples:
    """Users of one shard, ready to be turned into batches."""

    features: UserFeatures
    histories: UserHistories
    negative_signals: tuple[int, ...] = ()
    """Signals whose items are no negatives: they are never among what is ranked."""

    def __getstate__(self) -> dict[str, Any]:
        """Without what is computed: another process computes it faster than it is sent."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def popularity(self) -> Int64s:
        """[items] people who streamed each."""
        return listeners(self.histories, self.features.bags.strong, len(self.features.content))

    @cached_property
    def history(self) -> BagEntries:
        return self.features.bags.history(self.histories)

    @cached_property
    def _held(self) -> HeldItems:
        return HeldItems.of(self.history, self.features.bags)

    @cached_property
    def _sums(self) -> BagSums:
        return BagSums.of(self.history, self.features.bags.count, self.features.content)

    @cached_property
    def _columns(self) -> Floats:
        return self.features.encode_columns(self.histories)

    @cached_property
    def _unknown(self) -> Floats:
        unknown: Floats = encode_columns(self.features.columns, {}, 1)[0]
        return unknown

    def user_features(self, pairs: UserItemPairs, forget: Bools, unknown: Bools) -> Floats:
        """[pairs, width] features of each pair's user, without any event on the pair's own item.

        Args:
            forget: [pairs] leave out everything of the target type: a listener new to it.
            unknown: [pairs] leave out everything: a user of whom nothing is known.
        """
        bags = self.features.bags
        sums, held = self._sums.take(pairs.users), self._held.weights(pairs.users, pairs.items)
        row, kind = np.nonzero(held)
        item, weight = pairs.items[row], held[row, kind]
        bag = kind * bags.groups + bags.group_of[item]
        sums.content[row, bag] -= weight[:, None] * self.features.content[item]
        sums.weights[row, bag] -= weight
        sums.counts[row, bag] -= 1
        target = np.arange(bags.count) % bags.groups == 0
        emptied = (forget[:, None] & target) | unknown[:, None] | (sums.counts == 0)
        sums.content[emptied] = 0
        sums.counts[emptied] = 0
        columns = np.where(unknown[:, None], self._unknown, self._columns[pairs.users])
        return self.features.join(columns.astype(np.float32), sums.features())

    @cached_property
    def _left_out_items(self) -> tuple[Int64s, Int64s]:
        """Where each user's items begin that are not to be recommended, and the items."""
        gone = left_out(self.histories.signals, self.features.bags.strong, self.negative_signals)
        pairs = pairs_of(self.histories.keep(gone), ANY)
        return np.searchsorted(pairs.users, np.arange(len(self.histories) + 1)), pairs.items

    def false_negatives(self, pairs: UserItemPairs, rows: slice) -> Bools:
        """[rows, pairs] false-negative mask: the column's item is the label, or left out for the row's user."""
        begin, left_out_items = self._left_out_items
        items, column = np.unique(pairs.items, return_inverse=True)
        place = np.full(len(self.features.content), -1)
        place[items] = np.arange(len(items))
        users = pairs.users[rows]
        lengths = np.diff(begin)[users]
        first = np.cumsum(lengths) - lengths
        events = np.arange(lengths.sum()) + np.repeat(begin[users] - first, lengths)
        row, found = np.repeat(np.arange(len(users)), lengths), place[left_out_items[events]]
        blocked = np.zeros((len(users), len(items)), bool)
        blocked[row[found >= 0], found[found >= 0]] = True
        return blocked[:, column]
