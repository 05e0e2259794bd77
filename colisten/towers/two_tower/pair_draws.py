"""Which (user, streamed item) pairs an epoch draws, looked up shard by shard: nothing as long as the pairs is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from colisten.arrays import Bools, Floats, Floats64, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import UserItemPairs, concatenated, pairs_of
from colisten.ragged import starts
from colisten.towers.features.freshness import freshness

_HIGH_VALUE = 0.9
"""A pair worth as much as this share of all pairs is drawn always; one in ten does not make the scale."""
_VALUES_LOOKED_AT = 1 << 20
"""Pairs whose values make the scale."""


@dataclass(frozen=True)
class PairDraws:
    """Draws of pairs, each by its chance: 1, less for other types, old listening and low values; and less for all
    where there are more than `pairs_per_epoch`."""

    histories: UserHistories
    strong: int
    """Events with signal codes below this are streams."""
    is_target: Bools
    """[items]"""
    popularity: Int64s
    """[items] people who streamed each."""
    other_types: float
    """Pairs of the other item types for each pair of the target type, at most."""
    half_life: int
    """Days after which listening is drawn half as often; 0: never less."""
    pairs_per_epoch: int

    def draw(self, rng: np.random.Generator) -> UserItemPairs:
        """Those of an epoch, ordered by user."""
        found = []
        for users, some in self.histories.shards():
            pairs = pairs_of(some, self.strong)
            chance = self._chance(some, pairs) * np.float32(self._share)
            found.append((users, pairs.where(rng.random(len(pairs)) < chance)))
        return concatenated(found)

    @property
    def expected(self) -> Floats64:
        """[items] how many pairs of each an epoch draws."""
        return self._unbounded * self._share

    @cached_property
    def _unbounded(self) -> Floats64:
        """[items] the same without `pairs_per_epoch`."""
        drawn = np.zeros(len(self.is_target))
        for _, some in self.histories.shards():
            pairs = pairs_of(some, self.strong)
            drawn += np.bincount(pairs.items, self._chance(some, pairs), minlength=len(drawn))
        return drawn

    @cached_property
    def _share(self) -> float:
        """Of the pairs so drawn, what an epoch takes."""
        return min(1.0, self.pairs_per_epoch / max(float(self._unbounded.sum()), 1e-9))

    @cached_property
    def _share_of_others(self) -> float:
        """Of the pairs of other types."""
        target, others = (int(self.popularity[kind].sum()) for kind in (self.is_target, ~self.is_target))
        return min(1.0, self.other_types * target / others) if target and others else 1.0

    @cached_property
    def _newest(self) -> int:
        """Time of the last stream."""
        times = [some.timestamps[some.signals < self.strong].max(initial=-1) for _, some in self.histories.shards()]
        return int(max(times, default=-1))

    @cached_property
    def _high_value(self) -> float:
        every = -(-int(self.popularity.sum()) // _VALUES_LOOKED_AT)
        found = [self._values(some)[::every] for _, some in self.histories.shards()]
        return max(float(np.quantile(np.concatenate(found), _HIGH_VALUE)), 1e-9)

    def _chance(self, some: UserHistories, pairs: UserItemPairs) -> Floats:
        """[pairs] of some users, without `pairs_per_epoch`."""
        chance = np.where(self.is_target[pairs.items], 1, self._share_of_others).astype(np.float32)
        if self.half_life and len(pairs):
            chance *= freshness(self._last(some), self._newest, self.half_life)
        if some.values is not None and len(pairs):
            chance *= np.minimum(self._values(some) / self._high_value, 1)
        return chance

    def _last(self, some: UserHistories) -> Int64s:
        """[pairs] time of the last stream of each."""
        streams, order, first = self._by_pair(some)
        last: Int64s = np.maximum.reduceat(streams.timestamps[order], first)
        return last

    def _values(self, some: UserHistories) -> Floats:
        """[pairs] the sum of the values of its streams."""
        streams, order, first = self._by_pair(some)
        if streams.values is None or not len(first):
            return np.empty(0, np.float32)
        values: Floats = np.add.reduceat(np.maximum(streams.values[order], 0), first)
        return values

    def _by_pair(self, some: UserHistories) -> tuple[UserHistories, Int64s, Int64s]:
        """Streams, their order by pair, and where each pair begins in it."""
        streams = some.keep(some.signals < self.strong)
        keys = streams.keys
        order = np.argsort(keys, kind="stable")
        return streams, order, starts(keys[order])
