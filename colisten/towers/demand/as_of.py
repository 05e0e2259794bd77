"""What was known of each item at a moment, and what was streamed after it: features never see past the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Floats64, Int32s, Int64s
from colisten.listening.histories import UserHistories
from colisten.ragged import starts
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.scipy_rows import as_rows

DAY = 86_400
_WINDOWS = (0.5, 1, 2, 4)
"""Horizons before the moment whose events are counted."""


@dataclass(frozen=True)
class ItemFacts:
    """What the catalogue says of each item."""

    type_of: Codes
    """[items] item type."""
    published: Floats64
    """[items] epoch seconds, NaN where unknown."""
    relations: Mapping[str, ItemMatrix]
    """Of the graph, co-listening apart: they tell nothing of who listens."""


@dataclass(frozen=True)
class Timeline:
    """Events in the order of their times."""

    times: Int64s
    """[e] epoch seconds."""
    items: Int32s
    """[e]"""

    @classmethod
    def of(cls, times: Int64s, items: Int32s) -> Self:
        order = np.argsort(times, kind="stable")
        return cls(times[order], items[order])

    def counts(self, items: int, start: float, end: float) -> Floats:
        """[items] events from `start`, before `end`."""
        first, last = np.searchsorted(self.times, (start, end))
        return np.bincount(self.items[first:last], minlength=items).astype(np.float32)


@dataclass(frozen=True)
class AsOf:
    """Listening and catalogue, looked at from any moment."""

    facts: ItemFacts
    streams: Timeline
    """The first stream of each user and item: what a recommendation could still lead to."""
    weak: Timeline
    """Events of weak signals."""
    horizon: float
    """Seconds that are looked ahead."""

    @classmethod
    def of(cls, histories: UserHistories, strong: int, facts: ItemFacts, horizon: float) -> Self:
        """Events without a time are left out."""
        timed = histories.keep(histories.timestamps >= 0)
        streams, weak = timed.keep(timed.signals < strong), timed.keep(timed.signals >= strong)
        order = np.lexsort((streams.timestamps, streams.keys))
        first = order[starts(streams.keys[order])]
        return cls(
            facts,
            Timeline.of(streams.timestamps[first], streams.items[first]),
            Timeline.of(weak.timestamps, weak.items),
            horizon,
        )

    def features(self, moment: float) -> Floats:
        """[items, features] from what lies before the moment; NaN where nothing is known.

        Streams and weak signals of the last days and of all time, days since publication (negative: to come) and since
        the first stream, the item's type and its mean, and what the items that it is related to are heard.
        """
        items, type_of = len(self.facts.type_of), self.facts.type_of
        begins = [moment - window * self.horizon for window in _WINDOWS] + [-np.inf]
        streams = [np.log1p(self.streams.counts(items, start, moment)) for start in begins]
        weak = [np.log1p(self.weak.counts(items, start, moment)) for start in begins[1::2] + begins[-1:]]
        recent = streams[len(_WINDOWS) - 1]
        of_type = np.bincount(type_of, recent) / np.maximum(np.bincount(type_of), 1)
        columns = [
            *streams,
            *weak,
            _days(moment - self.facts.published),
            _days(moment - self._first_streams(moment)),
            type_of,
            of_type[type_of],
        ]
        for matrix in self.facts.relations.values():
            columns += _of_related(matrix, recent)
        return np.stack(columns, axis=1, dtype=np.float32)

    def streamed_after(self, moment: float) -> Floats:
        """[items] people who first streamed each within the horizon after the moment."""
        return self.streams.counts(len(self.facts.type_of), moment, moment + self.horizon)

    def may_be_streamed_after(self, moment: float) -> Bools:
        """[items] all but those that are published only after the horizon."""
        return ~(self.facts.published > moment + self.horizon)

    def _first_streams(self, moment: float) -> Floats64:
        """[items] epoch seconds, NaN where there was none before the moment."""
        before = int(np.searchsorted(self.streams.times, moment))
        found = np.full(len(self.facts.type_of), np.nan)
        items, first = np.unique(self.streams.items[:before], return_index=True)
        found[items] = self.streams.times[first]
        return found


def _days(seconds: Floats64) -> Floats64:
    """Logarithm of the days, negative before."""
    days: Floats64 = np.sign(seconds) * np.log1p(np.abs(seconds) / DAY)
    return days


def _of_related(matrix: ItemMatrix, recent: Floats) -> list[Floats]:
    """[items] weighted mean of `recent` over the items that a relation leads to, NaN without any; and their weight."""
    rows = as_rows(matrix)
    weight = np.asarray(rows.sum(axis=1), np.float32)
    mean = np.divide(rows @ recent, weight, out=np.full(len(recent), np.nan, np.float32), where=weight > 0)
    return [mean, weight]
