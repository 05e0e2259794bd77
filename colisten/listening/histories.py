"""User histories as ragged arrays: events and features of some users, the same in training and in serving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Int32s, Int64s
from colisten.on_disk import GrowingArray
from colisten.ragged import offsets, spans

EVENTS_AT_ONCE = 1 << 20
"""In a shard: 100 MB, with all that is computed from them."""


class Shard(NamedTuple):
    """Some users who follow each other."""

    users: slice
    """Their places among all."""
    histories: UserHistories


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
    scratch: Path | None = None
    """Where the events lie in files, and whatever is computed from them and as long; None: in memory."""

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

    def shards(self) -> Iterator[Shard]:
        """All users in order, so many at a time as have `EVENTS_AT_ONCE`; nothing is copied."""
        for users in user_slices(self.indptr):
            yield Shard(users, self.of(users))

    def of(self, users: slice) -> UserHistories:
        """Users who follow each other; nothing is copied."""
        indptr = self.indptr[users.start : users.stop + 1]
        events = slice(int(indptr[0]), int(indptr[-1]))
        features = {name: values[users] for name, values in self.features.items()}
        return self._with(indptr - indptr[0], events, features)

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

    def _with(
        self, indptr: Int64s, events: Bools | Int64s | slice, features: Mapping[str, Sequence[object]]
    ) -> UserHistories:
        values = None if self.values is None else self.values[events]
        return UserHistories(
            indptr, self.items[events], self.signals[events], self.timestamps[events], features, values
        )


def user_slices(indptr: Int64s) -> Iterator[slice]:
    """Users in order, so many at a time as have `EVENTS_AT_ONCE`; or one, who has more."""
    first, last = 0, len(indptr) - 1
    while first < last:
        beyond = int(np.searchsorted(indptr, indptr[first] + EVENTS_AT_ONCE, side="right"))
        users = slice(first, max(first + 1, beyond - 1))
        yield users
        first = users.stop


def joined(
    pieces: Iterable[UserHistories], features: Mapping[str, Sequence[object]], scratch: Path | None
) -> UserHistories:
    """The users of all pieces, one after the other, their events written to `scratch`; `features` are those of all.

    Raises:
        OutOfSpaceError: the disk is full.
    """
    lengths = [np.empty(0, np.int64)]
    items, signals = GrowingArray(np.int32, scratch), GrowingArray(np.uint8, scratch)
    timestamps, values, valued = GrowingArray(np.int64, scratch), GrowingArray(np.float32, scratch), False
    for piece in pieces:
        lengths.append(np.diff(piece.indptr))
        for whole, part in ((items, piece.items), (signals, piece.signals), (timestamps, piece.timestamps)):
            whole.append(part)
        if piece.values is not None:
            values.append(piece.values)
            valued = True
    indptr = offsets(np.concatenate(lengths))
    events = (items.whole(), signals.whole(), timestamps.whole())
    return UserHistories(indptr, *events, features, values.whole() if valued else None, scratch)
