"""Where and when items may be shown, from the table `availability`: rows of item, country, from and until."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from colisten.arrays import Bools, Int32s, Int64s
from colisten.letters import folded

FOREVER = np.iinfo(np.int64).max
"""Ends a row that has no end; its negative begins one that has no beginning."""
_KEPT = 32
"""Countries whose masks are kept until one of them changes."""


@dataclass(frozen=True)
class Availability:
    """An item without a row may be shown everywhere and always, any other where and when one of its rows says so."""

    items: Int32s
    """[r]"""
    places: Int32s
    """[r] place of the row's country in `countries`; -1: the row holds everywhere."""
    begins: Int64s
    """[r] first second (UTC) at which the row holds."""
    ends: Int64s
    """[r] first second at which it does not any more."""
    countries: tuple[str, ...]
    """Folded."""
    size: int
    """Items that there are."""
    _masks: dict[str | None, tuple[int, int, Bools]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.items)

    def kept_back(self, country: str | None, at: int) -> Bools:
        """[items] what may not be shown in a country at a second; None: a user of unknown country."""
        key = None if country is None or folded(country) not in self.countries else folded(country)
        begin, end, mask = self._masks.get(key, (0, 0, _NOTHING))
        if not begin <= at < end:
            mask = self._computed(key, at)
            if len(self._masks) >= _KEPT:
                self._masks.clear()
            self._masks[key] = (at, self._next_change(at), mask)
        return mask

    def _computed(self, country: str | None, at: int) -> Bools:
        here = self.places < 0
        if country is not None:
            here |= self.places == self.countries.index(country)
        mask = np.zeros(self.size, bool)
        mask[self.items] = True
        mask[self.items[here & (self.begins <= at) & (at < self.ends)]] = False
        return mask

    def _next_change(self, at: int) -> int:
        """The first second after `at` at which a row begins or ends to hold."""
        return min(int(edges[edges > at].min(initial=FOREVER)) for edges in (self.begins, self.ends))


_NOTHING = np.zeros(0, bool)
