"""User histories as ragged arrays: events and features of some users, the same in training and in serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Int32s, Int64s
from colisten.ragged import offsets, spans


@dataclass(frozen=True)
class UserHistories:
    """The `e` events and the features of `n` users.

    No polars, no torch: a recommendation is made from this with NumPy alone.
    """

    indptr: Int64s
    """[n + 1] where each user's events begin, as in a CSR matrix."""
    items: Int32s
    """[e] item of each event."""
    signals: Codes
    """[e] code of the signal (place in `ListeningData.signals`)."""
    timestamps: Int64s
    """[e] seconds, UTC; -1 where unknown."""
    features: Mapping[str, Sequence[object]]
    """Per column of the users table, one value (None: unknown) per user; `taste` holds lists of floats."""
    values: Floats | None = None
    """[e] value of each event (seconds, completion), where training needs it."""

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def owners(self) -> Int64s:
        """[e] the user of each event, as a place among these users."""
        return np.repeat(np.arange(len(self)), self.indptr[1:] - self.indptr[:-1])

    @property
    def keys(self) -> Int64s:
        """[e] user and item of each event in one number, user << 32 | item."""
        return self.owners << 32 | self.items

    def touching(self, chosen: Bools) -> Bools:
        """[n] users with some event on a `chosen` [items] item."""
        found = np.zeros(len(self), bool)
        found[self.owners[chosen[self.items]]] = True
        return found

    def keep(self, mask: Bools) -> UserHistories:
        """The same users with only the events where `mask` [e] is true."""
        kept = np.concatenate([[0], np.cumsum(mask)])[self.indptr]
        return self._with(kept, mask, self.features)

    def take(self, users: Int64s) -> UserHistories:
        """Some of these users, in the order given."""
        lengths = np.diff(self.indptr)[users]
        events = spans(self.indptr[users], lengths)
        features = {name: [values[user] for user in users] for name, values in self.features.items()}
        return self._with(offsets(lengths), events, features)

    def _with(self, indptr: Int64s, events: Bools | Int64s, features: Mapping[str, Sequence[object]]) -> UserHistories:
        values = None if self.values is None else self.values[events]
        return UserHistories(
            indptr, self.items[events], self.signals[events], self.timestamps[events], features, values
        )
