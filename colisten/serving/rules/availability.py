"""Where and when items may be shown, from the table `availability`: rows of item, country, from and until."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np

from colisten.arrays import Bools, Int32s, Int64s
from colisten.letters import folded

FOREVER = np.iinfo(np.int64).max
"""Ends a row that has no end; its negative begins one that has no beginning."""
_KEPT = 32
"""Countries whose masks are kept until one of them changes."""


_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Window(NamedTuple):
    """One row: where and when an item may be shown."""

    country: str | None
    """None: everywhere."""
    begin: int | None
    """First second (UTC) at which the row holds; None: since ever."""
    end: int | None
    """First second at which it does not any more; None: it holds for ever."""


def second(word: int | str, *, end: bool = False) -> int:
    """A moment as seconds: these themselves, a time, or a day, which as an `end` counts whole.

    >>> second("1970-01-02"), second("1970-01-02", end=True), second("1970-01-02T01:00:00+01:00", end=True)
    (86400, 172800, 86400)

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(word, int):
        return word
    moment = datetime.fromisoformat(word)
    try:
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except OverflowError as error:
        raise ValueError(str(error)) from None
    return int(since.total_seconds()) + _DAY * (end and _is_day(word))


def _is_day(word: str) -> bool:
    with suppress(ValueError):
        date.fromisoformat(word)
        return True
    return False


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

    def told(self, rows: Mapping[int, Sequence[Window]]) -> Availability:
        """The same with other rows for some items."""
        windows = [(item, window) for item, of_item in rows.items() for window in of_item]
        named = [None if window.country is None else folded(window.country) for _, window in windows]
        countries = tuple(dict.fromkeys([*self.countries, *(name for name in named if name is not None)]))
        kept = ~np.isin(self.items, list(rows))
        items = np.array([item for item, _ in windows], np.int32)
        places = np.array([-1 if name is None else countries.index(name) for name in named], np.int32)
        begins = np.array([-FOREVER if window.begin is None else window.begin for _, window in windows], np.int64)
        ends = np.array([FOREVER if window.end is None else window.end for _, window in windows], np.int64)
        return Availability(
            np.append(self.items[kept], items), np.append(self.places[kept], places),
            np.append(self.begins[kept], begins), np.append(self.ends[kept], ends), countries, self.size,
        )  # fmt: skip

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
