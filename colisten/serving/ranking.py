"""Top-k retrieval by dense and sparse scores, without excluded items: batched searches, exact sums, ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Floats, Halves, Int32s, Int64s
from colisten.ragged import contains, spans
from colisten.serving.index.collection import Collection, Conditions, Hits
from colisten.serving.index.layout import TOWERS
from colisten.serving.payload_index import PayloadIndex
from colisten.towers.item_matrix import SparseScores
from colisten.towers.user_vectors import UserVectors

_QUERIES_AT_ONCE = 256
_HITS_AT_ONCE = 200_000
_ITEM = 0xFFFFFFFF
_FURTHER = 16
"""Hits beyond those needed, since the engine rounds queries to half precision and may order near scores otherwise."""
_ROUNDING = 1e-3
"""Relative difference between the engine's and NumPy's sums that no item may be lost by."""


@dataclass(frozen=True)
class Ranked:
    """Recommended items, user by user, best first."""

    users: Int64s
    """[r] index of the user's vector."""
    items: Int64s
    """[r] item numbers."""
    scores: Floats
    """[r] dense and sparse score together."""
    ranks: Int32s
    """[r] from 1."""


@dataclass(frozen=True)
class ExcludedItems:
    """Distinct (user, item) that must not be recommended, ordered by user."""

    users: Int64s
    """[x] index of the user's vector."""
    items: Int64s
    """[x] item numbers."""

    def of(self, users: Int64s) -> Int64s:
        """Keys (user << 32 | item), ascending, of some users, who are counted anew from zero in the order given."""
        starts, ends = (np.searchsorted(self.users, users, side=side) for side in ("left", "right"))
        owners = np.repeat(np.arange(len(users)), ends - starts)
        return np.sort(owners << 32 | self.items[spans(starts, ends - starts)])


@dataclass(frozen=True)
class ItemSource:
    """What a ranking is made from."""

    collection: Collection
    item_vectors: Halves
    """[items, dim] the vectors of the collection, for exact scores."""
    payload_index: PayloadIndex


def rank(source: ItemSource, users: UserVectors, excluded: ExcludedItems, k: int, conditions: Conditions) -> Ranked:
    """The `k` best items for each user, none of them excluded; exact where the search is.

    Sparse scores are never negative. So the best `k` are among the best k + excluded by the dense vector alone, and the
    items with a sparse score: any other item has `k` allowed ones before it by the dense score, which is all it has.

    The search asks for k + excluded items and drops the excluded ones afterwards. That is exact, and four times as
    fast as excluding them in the query: the engine scores together only queries that differ in nothing but the vector.
    """
    limits = k + _FURTHER + np.bincount(excluded.users, minlength=len(users))
    items = np.full((len(users), k), -1, np.int64)
    scores = np.full((len(users), k), -np.inf, np.float32)
    for rows in _batches(limits):
        hits = _searched(source.collection, users.dense[rows], int(limits[rows].max()), conditions)
        items[rows], scores[rows] = _best(source, hits, users.take(rows), excluded.of(rows), k, conditions)
    found, places = np.nonzero(items >= 0)
    return Ranked(found, items[found, places], scores[found, places], (places + 1).astype(np.int32))


def _searched(collection: Collection, vectors: Floats, limit: int, conditions: Conditions) -> Hits:
    hits = collection.search(TOWERS, vectors, limit, conditions, collection.ef)
    short = np.any(hits.items < 0, axis=1)
    if collection.ef is not None and short.any():  # a filtered walk of an HNSW graph may end early
        hits = _replaced(hits, short, collection.search(TOWERS, vectors[short], limit, conditions, None))
    return hits


def _best(
    source: ItemSource, hits: Hits, users: UserVectors, excluded: Int64s, k: int, conditions: Conditions
) -> tuple[Int64s, Floats]:
    """The `k` best items of each user, [users, k], by the sum of dense and sparse scores; `excluded` are keys."""
    owners, places = np.nonzero(hits.items >= 0)
    listed = owners << 32 | hits.items[owners, places]
    keys = listed[~contains(excluded, listed)]
    scores = _scores(source, users, keys, users.sparse.of(keys))
    further = users.sparse.where(_may_be_best(users.sparse, hits, keys, scores, k))
    further = further.where(~contains(np.sort(listed), further.keys) & ~contains(excluded, further.keys))
    further = further.where(source.payload_index.satisfying(further.items, conditions))
    promising = np.zeros(len(further.keys), bool)
    promising[_order(further.keys, further.values, k)] = True
    keys, scores = _joined(source, users, keys, scores, further.where(promising))  # raises what the others must reach
    rest = further.where(~promising & _may_be_best(further, hits, keys, scores, k))
    return _first(*_joined(source, users, keys, scores, rest), len(users), k)


def _scores(source: ItemSource, users: UserVectors, keys: Int64s, sparse: Floats) -> Floats:
    """[n] the whole score of each of these (user, item), whose sparse scores are given."""
    return users.dot(source.item_vectors, keys >> 32, keys & _ITEM) + sparse


def _joined(
    source: ItemSource, users: UserVectors, keys: Int64s, scores: Floats, further: SparseScores
) -> tuple[Int64s, Floats]:
    more = _scores(source, users, further.keys, further.values)
    return np.concatenate([keys, further.keys]), np.concatenate([scores, more])


def _may_be_best(further: SparseScores, hits: Hits, keys: Int64s, scores: Floats, k: int) -> Bools:
    """[n] which of these items may be among the best `k`, beside those found, if they are not among the hits.

    The dense score of such an item is at most that of the first hit: with too small a sparse score it cannot reach the
    `k`-th best of those found, however its dense score is.
    """
    _, best = _first(keys, scores, len(hits.items), k)
    found_some = hits.items[:, 0] >= 0
    highest = np.where(found_some, hits.scores[:, 0], 0)
    enough = np.where(found_some, best[:, -1] - highest - _ROUNDING * (1 + np.abs(highest)), np.inf)
    return np.asarray(further.values > enough[further.owners])


def _first(keys: Int64s, scores: Floats, users: int, k: int) -> tuple[Int64s, Floats]:
    """The first `k` items of each user [users, k] by score, equal ones by number; -1 and −inf where there are fewer."""
    order = _order(keys, scores, k)
    owners = keys[order] >> 32
    place = np.arange(len(order)) - np.searchsorted(owners, owners)
    items = np.full((users, k), -1, np.int64)
    best = np.full((users, k), -np.inf, np.float32)
    items[owners, place] = keys[order] & _ITEM
    best[owners, place] = scores[order]
    return items, best


def _order(keys: Int64s, scores: Floats, k: int) -> Int64s:
    """Places of the `k` best of each user, best first, equal ones by number; users in their order."""
    order = np.lexsort((keys & _ITEM, -scores, keys >> 32))
    owners = keys[order] >> 32
    return order[np.arange(len(order)) - np.searchsorted(owners, owners) < k]


def _batches(limits: Int64s) -> Iterator[Int64s]:
    """Users of similar limits together, in batches of bounded numbers of queries and of hits."""
    order = np.argsort(-limits, kind="stable")
    start = 0
    while start < len(order):
        size = min(_QUERIES_AT_ONCE, max(1, _HITS_AT_ONCE // int(limits[order[start]])))
        yield order[start : start + size]
        start += size


def _replaced(hits: Hits, rows: Bools, by: Hits) -> Hits:
    items, scores = hits.items.copy(), hits.scores.copy()
    items[rows], scores[rows] = by.items, by.scores
    return Hits(items, scores)
