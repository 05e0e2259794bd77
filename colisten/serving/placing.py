"""Content-based placing of new items (item cold start): their vectors are made from the items whose texts are nearest.

They are means over those neighbours, weighted by cosine. How much the neighbours are heard says nothing of it: its
demand is that of the items of its type that nobody has heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.listening.events.store import TextPlace
from colisten.ragged import contains, distinct, offsets
from colisten.serving.events.new_items import NewItem, NewItems
from colisten.serving.index.collection import Collection, Conditions
from colisten.serving.index.layout import HGNN, TEXT
from colisten.serving.payload_index import ALL, PayloadIndex
from colisten.serving.placed_items import PlacedItems
from colisten.serving.profiles import Profiles
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.user_encoder import UserEncoder

NEIGHBOURS = 10
"""Items of the same type among whose texts that of a new one is placed."""
MOST = 5000
"""New items that are answered at once: each is compared with every user asked about."""
_LEAST_HEARD = 100
"""Items that tell how much demand there is for one that nobody has heard: the newest such ones."""


@dataclass(frozen=True)
class _Neighbours:
    """Those of one new item that a collection has."""

    items: Int64s
    weights: Floats
    """Adding up to 1."""

    def mean(self, rows: Floats) -> Floats:
        """The weighted mean of their rows [n, width]."""
        mean: Floats = self.weights @ rows
        return mean


class Placer:
    """Places new items in one collection, and keeps what it has computed for those that there are."""

    def __init__(
        self, profiles: Profiles, encoder: UserEncoder, collection: Collection, payload_index: PayloadIndex
    ) -> None:
        self._profiles = profiles
        self._encoder = encoder
        self._collection = collection
        self._published = payload_index.lists[ALL]
        self._neighbours: dict[int, _Neighbours] = {}
        self._towers: dict[int, Floats] = {}
        self._hgnn: dict[int, Floats] = {}
        """By `seq` of what was told."""
        self._demand: dict[str, Floats] = {}
        self._of: NewItems | None = None
        self._placed = self._with([])

    def place(self, item_type: str, text: Floats) -> TextPlace | None:
        """Where a new item's text, of length 1, lies; None where too many wait, or no item of the type has a text.

        Raises:
            IndexStoreError: the collection has no text vectors of this width.
        """
        if len(self._profiles.follow().items) >= MOST:
            return None
        hits = self._collection.search(TEXT, text[None], NEIGHBOURS, Conditions((item_type,)), None)
        near = (hits.items[0] >= 0) & (hits.scores[0] > 0)
        numbers, cosines = hits.items[0][near].tolist(), hits.scores[0][near].tolist()
        known = self._profiles.items(numbers)  # which a newer index has more of
        pairs = [(known[number], cosine) for number, cosine in zip(numbers, cosines, strict=True) if number in known]
        if not pairs:
            return None
        return TextPlace(text.astype(np.float32).tobytes(), {item.item_id: cosine for item, cosine in pairs})

    def placed(self) -> PlacedItems:
        """The new items that the profiles know of now, without those whose neighbours are gone."""
        new = self._profiles.new
        if new is not self._of:
            self._forget_all_but(new)
            self._look_up([item for item in new.items if item.seq not in self._neighbours])
            numbers = np.array([item.number for item in new.items], self._published.dtype)
            told = zip(new.items, contains(self._published, numbers).tolist(), strict=True)
            self._placed = self._with([item for item, old in told if not old and len(self._neighbours[item.seq].items)])
            self._of = new
        return self._placed

    def _forget_all_but(self, new: NewItems) -> None:
        kept = {item.seq for item in new.items}
        for cache in (self._neighbours, self._towers, self._hgnn):
            for seq in cache.keys() - kept:
                del cache[seq]

    def _look_up(self, items: Sequence[NewItem]) -> None:
        numbers = self._profiles.numbers({name for item in items for name in item.place.neighbours})
        for item in items:
            known = [(numbers[name], cosine) for name, cosine in item.place.neighbours.items() if name in numbers]
            near = np.array([number for number, _ in known], np.int64)
            there = contains(self._published, near.astype(self._published.dtype))
            cosines = np.array([cosine for _, cosine in known], np.float32)[there]
            self._neighbours[item.seq] = _Neighbours(near[there], cosines / max(float(cosines.sum()), 1e-9))

    def _with(self, items: Sequence[NewItem]) -> PlacedItems:
        for item in items:
            if item.seq not in self._towers:
                self._towers[item.seq] = self._towers_of(item)
        rows = [self._towers[item.seq] for item in items]
        towers = np.stack(rows) if rows else np.empty((0, self._encoder.item_vectors.shape[1]), np.float32)
        return PlacedItems(items, towers, self._shares(items), lambda: self._graph_vectors(items))

    def _towers_of(self, item: NewItem) -> Floats:
        """[width] as the rows of `item_vectors` are."""
        encoder, neighbours = self._encoder, self._neighbours[item.seq]
        vector = neighbours.mean(encoder.item_vectors[neighbours.items].astype(np.float32)) * encoder.scale
        if towers := encoder.columns.get("towers"):  # where every item's vector is of length 1
            vector[towers] /= max(float(np.linalg.norm(vector[towers])), 1e-9)
        vector /= encoder.scale
        if demand := encoder.columns.get("demand"):
            vector[demand] = self._least_demand(str(item.words.item_type))
        return vector

    def _least_demand(self, item_type: str) -> Floats:
        """[1] of the items of a type that the fewest have heard."""
        if item_type not in self._demand:
            least = self._profiles.least_heard(item_type, _LEAST_HEARD)
            there = least[contains(self._published, least.astype(self._published.dtype))]
            column = self._encoder.item_vectors[:, self._encoder.columns["demand"]]
            self._demand[item_type] = column[there].astype(np.float32).mean(axis=0)
        return self._demand[item_type]

    def _shares(self, items: Sequence[NewItem]) -> ItemMatrix:
        """[items of the catalogue, new ones] weight of each neighbour."""
        near = [self._neighbours[item.seq] for item in items]
        size = max(len(self._encoder.item_vectors), len(items))
        rows = np.concatenate([each.items for each in near]) if near else np.empty(0, np.int64)
        columns = np.repeat(np.arange(len(near), dtype=np.int32), [len(each.items) for each in near])
        weights = np.concatenate([each.weights for each in near]) if near else np.empty(0, np.float32)
        order = np.argsort(rows, kind="stable")
        return ItemMatrix(offsets(np.bincount(rows, minlength=size)), columns[order], weights[order])

    def _graph_vectors(self, items: Sequence[NewItem]) -> Floats:
        """[n, dim] of length 1."""
        missing = [item.seq for item in items if item.seq not in self._hgnn]
        if missing:
            near = distinct(np.concatenate([self._neighbours[seq].items for seq in missing]))
            vectors = self._collection.vectors(HGNN, near.tolist())
            for seq in missing:
                neighbours = self._neighbours[seq]
                mean = neighbours.mean(np.stack([vectors[number] for number in neighbours.items.tolist()]))
                self._hgnn[seq] = mean / max(float(np.linalg.norm(mean)), 1e-9)
        return np.stack([self._hgnn[item.seq] for item in items])
