"""What was known of each item at a moment, and what was streamed after it: features never see past the moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Events of each item, counted between the times that are asked about."""

    edges: Floats64
    """[t] those times, epoch seconds, ascending."""
    before: Int32s
    """[t + 1, items] events before each, and all."""
    first: Floats64
    """[items] time of the first one, NaN where there is none."""

    @classmethod
    def of(cls, pieces: Iterable[tuple[Int64s, Int32s]], edges: Floats64, items: int) -> Self:
        """Of times and items of events."""
        between, first = np.zeros((len(edges) + 1, items), np.int32), np.full(items, np.inf)
        for times, heard in pieces:
            np.add.at(between.reshape(-1), np.searchsorted(edges, times, side="right") * items + heard, 1)
            np.minimum.at(first, heard, times)
        np.cumsum(between, axis=0, out=between)
        return cls(edges, between, np.where(np.isinf(first), np.nan, first))

    def counts(self, start: float, end: float) -> Floats:
        """[items] events from `start` (−∞: all), before `end`; both are among the edges."""
        counts = self.before[self._place(end)]
        if start > -np.inf:
            counts = counts - self.before[self._place(start)]
        return np.asarray(counts, np.float32)

    def _place(self, time: float) -> int:
        place = int(np.searchsorted(self.edges, time))
        assert self.edges[place] == time, "not among the edges"
        return place


@dataclass(frozen=True)
class AsOf:
    """Listening and catalogue, looked at from some moments."""

    facts: ItemFacts
    streams: Timeline
    """The first stream of each user and item: what a recommendation could still lead to."""
    weak: Timeline
    """Events of weak signals."""
    horizon: float
    """Seconds that are looked ahead."""

    @classmethod
    def of(
        cls, histories: UserHistories, strong: int, facts: ItemFacts, horizon: float, moments: Sequence[float]
    ) -> Self:
        """What `moments` may be asked about; events without a time are left out."""
        asked = {moment - window * horizon for moment in moments for window in (*_WINDOWS, 0, -1)}
        edges, items = np.array(sorted(asked)), len(facts.type_of)
        return cls(
            facts,
            Timeline.of(_first_streams(histories, strong), edges, items),
            Timeline.of(_weak_signals(histories, strong), edges, items),
            horizon,
        )

    def features(self, moment: float) -> Floats:
        """[items, features] from what lies before the moment; NaN where nothing is known.

        Streams and weak signals of the last days and of all time, days since publication (negative: to come) and since
        the first stream, the item's type and its mean, and what the items that it is related to are heard.
        """
        type_of = self.facts.type_of
        begins = [moment - window * self.horizon for window in _WINDOWS] + [-np.inf]
        streams = [np.log1p(self.streams.counts(start, moment)) for start in begins]
        weak = [np.log1p(self.weak.counts(start, moment)) for start in begins[1::2] + begins[-1:]]
        recent = streams[len(_WINDOWS) - 1]
        of_type = np.bincount(type_of, recent) / np.maximum(np.bincount(type_of), 1)
        columns = [
            *streams,
            *weak,
            _days(moment - self.facts.published),
            _days(moment - np.where(self.streams.first < moment, self.streams.first, np.nan)),
            type_of,
            of_type[type_of],
        ]
        for matrix in self.facts.relations.values():
            columns += _of_related(matrix, recent)
        return np.stack(columns, axis=1, dtype=np.float32)

    def streamed_after(self, moment: float) -> Floats:
        """[items] people who first streamed each within the horizon after the moment."""
        return self.streams.counts(moment, moment + self.horizon)

    def may_be_streamed_after(self, moment: float) -> Bools:
        """[items] all but those that are published only after the horizon."""
        return ~(self.facts.published > moment + self.horizon)


def _first_streams(histories: UserHistories, strong: int) -> Iterator[tuple[Int64s, Int32s]]:
    """Times and items."""
    for _, some in histories.shards():
        streams = some.keep((some.timestamps >= 0) & (some.signals < strong))
        order = np.lexsort((streams.timestamps, streams.keys))
        first = order[starts(streams.keys[order])]
        yield streams.timestamps[first], streams.items[first]


def _weak_signals(histories: UserHistories, strong: int) -> Iterator[tuple[Int64s, Int32s]]:
    for _, some in histories.shards():
        weak = (some.timestamps >= 0) & (some.signals >= strong)
        yield some.timestamps[weak], some.items[weak]


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
