"""New items in the answers: scored and compared one and all beside the index, which they are not in yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from colisten.arrays import Floats, Halves, Int64s
from colisten.listening.pairs import UserItemPairs
from colisten.ragged import contains
from colisten.serving.block_search import USERS_AT_ONCE
from colisten.serving.eligible import Eligible
from colisten.serving.events.new_items import NewItem
from colisten.serving.index.layout import FILTERED_FIELDS, HGNN, TEXT
from colisten.serving.payload_index import ALL, PayloadIndex, name_of
from colisten.serving.ranking import Boost, ExcludedItems, Ranked, one_ranking
from colisten.towers.item_matrix import ItemMatrix, SparseScores, summed_rows
from colisten.towers.user_vectors import UserVectors


@dataclass(frozen=True)
class PlacedItems:
    """New items with their vectors in one collection."""

    items: Sequence[NewItem]
    """By number."""
    towers: Floats
    """[n, width] as the rows of all items' vectors are."""
    shares: ItemMatrix
    """What of the sparse score of each item of the catalogue counts for each of these, by place."""
    graph_vectors: Callable[[], Floats]
    """Gives [n, dim], of length 1; asked for where something is compared with them."""

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def hgnn(self) -> Floats:
        """[n, dim] of length 1."""
        return self.graph_vectors()

    @cached_property
    def numbers(self) -> Int64s:
        """[n] ascending."""
        return np.array([item.number for item in self.items], np.int64)

    @cached_property
    def place_of(self) -> Mapping[int, int]:
        """By number."""
        return {number: place for place, number in enumerate(self.numbers.tolist())}

    def vector(self, using: str, number: int) -> Floats | None:
        """The vector of this name of the item with this number, if it is one of these."""
        place = self.place_of.get(number)
        if place is None:
            return None
        return self.hgnn[place] if using == HGNN else self.items[place].text

    def nearest(self, using: str, vector: Floats, eligible: Eligible) -> tuple[Int64s, Floats]:
        """The eligible ones, with the cosine of each one's vector of this name and this one."""
        places = self._eligible(eligible) if self.items else np.empty(0, np.int64)
        if using == TEXT:  # by another encoder, texts have another width
            places = np.array([p for p in places.tolist() if len(self.items[p].text) == len(vector)], np.int64)
        if not len(places):
            return places, np.empty(0, np.float32)
        rows = self.hgnn[places] if using == HGNN else np.stack([self.items[place].text for place in places.tolist()])
        unit = vector / max(float(np.linalg.norm(vector)), 1e-9)
        cosines: Floats = (rows @ unit).astype(np.float32)
        return self.numbers[places], cosines

    def rank(
        self, users: UserVectors, excluded: ExcludedItems, k: int, eligible: Eligible, boost: Boost | None
    ) -> Ranked:
        """The `k` best eligible ones for each user, none of them excluded, as `ranking.rank` ranks the others."""
        places, found = self._eligible(eligible), []
        for start in range(0, len(users) if len(places) else 0, USERS_AT_ONCE):
            rows = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
            some = users.take(rows)
            found.append(self._best(some, places, excluded.of(rows), k, boost).of(rows))
        return one_ranking(found) if found else _NONE

    def _best(self, users: UserVectors, places: Int64s, excluded: Int64s, k: int, boost: Boost | None) -> Ranked:
        sparse = self._sparse(users)
        keys = np.arange(len(users))[:, None] << 32 | places
        scores = users.dense @ self.towers[places].T + sparse.of(keys) + self._boosts(boost)[places]
        scores[contains(excluded, np.arange(len(users))[:, None] << 32 | self.numbers[places])] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        owners, ranks = np.nonzero(np.take_along_axis(scores, order, axis=1) > -np.inf)
        chosen = order[owners, ranks]
        return Ranked(owners, self.numbers[places[chosen]], scores[owners, chosen], (ranks + 1).astype(np.int32))

    def _sparse(self, users: UserVectors) -> SparseScores:
        """The shares that these items have in the scores of their neighbours, by place."""
        given = users.sparse
        counts = np.diff(self.shares.indptr)[given.items] > 0
        return summed_rows(
            len(users), [(self.shares, UserItemPairs(given.owners[counts], given.items[counts], given.values[counts]))]
        )

    def _boosts(self, boost: Boost | None) -> Floats:
        """[n]"""
        amounts: Floats = np.zeros(len(self), np.float32)
        if boost is not None and len(self):
            here = np.isin(boost.items, self.numbers)
            amounts[np.searchsorted(self.numbers, boost.items[here])] = boost.amounts[here]
        return amounts

    def _eligible(self, eligible: Eligible) -> Int64s:
        """Places of those that satisfy the conditions and that no rule keeps back."""
        mine = Eligible(self._index, eligible.conditions, eligible.kept_back)
        return np.searchsorted(self.numbers, mine.items)

    @cached_property
    def _index(self) -> PayloadIndex:
        lists: dict[str, list[int]] = {ALL: self.numbers.tolist()}
        for item in self.items:
            for name in {name_of(field, value) for field in FILTERED_FIELDS for value in item.values_of(field)}:
                lists.setdefault(name, []).append(item.number)
        return PayloadIndex({name: np.array(numbers, np.int32) for name, numbers in lists.items()})


_NONE = Ranked(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int32))


@dataclass(frozen=True)
class ExtendedVectors:
    """Vectors of the catalogue's items and of new ones, by number, as an array has its rows."""

    known: Halves | Floats
    """[items, width]"""
    placed: PlacedItems

    @property
    def shape(self) -> tuple[int, ...]:
        """As if it were one array."""
        return self.known.shape

    def __getitem__(self, items: Int64s) -> Floats:
        rows: Floats = self.known[items.clip(max=len(self.known) - 1)].astype(np.float32)
        new = np.isin(items, self.placed.numbers)
        rows[new] = self.placed.towers[np.searchsorted(self.placed.numbers, items[new])]
        return rows
