"""Who has what: distinct (user, item)."""

from __future__ import annotations

from dataclasses import dataclass

from colisten.arrays import Bools, Int64s
from colisten.towers.history import distinct
from colisten.towers.listeners import Listeners

ANY = 256
"""Above every signal code."""


@dataclass(frozen=True)
class Pairs:
    """Distinct (user, item)."""

    users: Int64s
    items: Int64s

    def __len__(self) -> int:
        return len(self.users)

    @property
    def keys(self) -> Int64s:
        """[n] both in one number, as in `Listeners.keys`."""
        return self.users << 32 | self.items

    def where(self, chosen: Int64s | Bools) -> Pairs:
        return Pairs(self.users[chosen], self.items[chosen])


def pairs_of(listeners: Listeners, signals: int) -> Pairs:
    """Distinct (user, item) of events with signal codes below `signals`, ordered."""
    keys = distinct(listeners.keys[listeners.signals < signals])
    return Pairs(keys >> 32, keys & 0xFFFFFFFF)
