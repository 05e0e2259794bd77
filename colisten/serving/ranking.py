"""Top-k retrieval by dense and sparse scores, without excluded items: batched searches, exact sums, ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Floats, Halves, Int32s, Int64s
from colisten.ragged import contains, spans
from colisten.serving.index.collection import EVERYTHING, Collection, Conditions, Hits
from colisten.serving.index.layout import TOWERS
from colisten.serving.payload_index import PayloadIndex
from colisten.towers.item_matrix import SparseScores
from colisten.towers.user_vectors import UserVectors

_QUERIES_AT_ONCE = 256
_HITS_AT_ONCE = 200_000
_FEW_QUERIES = 4
"""Queries up to which conditions that many items satisfy are faster looked up for the hits than by the engine."""
_COMMON = 0.25
"""Share of the items that satisfy such conditions."""
_SLACK = 1.5
"""How many hits to ask for, per hit expected to be enough: where they are not, the engine is asked with conditions."""
_ITEM = 0xFFFFFFFF
_FURTHER = 16
"""Hits beyond those needed, since the engine rounds queries to half precision and may order near scores otherwise."""
_ROUNDING = 1e-3
"""Relative difference between the engine's and NumPy's scores that no item may be lost by."""


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

    Sparse scores are never negative. So the best `k` are among the best by the dense vector alone, of which `k` are
    allowed, and the items with a sparse score: any other item has `k` allowed ones before it by the dense score, which
    is all it has.

    The search asks for as many items more as are excluded, and drops those afterwards. That is exact, and four times as
    fast as excluding them in the query: the engine scores together only queries that differ in nothing but the vector.
    """
    counts = np.bincount(excluded.users, minlength=len(users))
    items = np.full((len(users), k), -1, np.int64)
    scores = np.full((len(users), k), -np.inf, np.float32)
    for rows in _batches(k + counts):
        keys = excluded.of(rows)
        hits = _searched(source, users.dense[rows], k + _FURTHER, keys, int(counts[rows].max()), conditions)
        items[rows], scores[rows] = _best(source, hits, users.take(rows), keys, k, conditions)
    found, places = np.nonzero(items >= 0)
    return Ranked(found, items[found, places], scores[found, places], (places + 1).astype(np.int32))


def _searched(
    source: ItemSource, vectors: Floats, wanted: int, excluded: Int64s, most: int, conditions: Conditions
) -> Hits:
    """Hits of which as many as `wanted` are allowed, where there are; the items of the others are -1.

    Args:
        excluded: keys of (user, item).
        most: items that any one user excludes.
    """
    collection = source.collection
    if collection.ef is None and len(vectors) <= _FEW_QUERIES:
        share = source.payload_index.share(conditions)
        if _COMMON < share < 1:  # to look the conditions up of every item takes the engine as long as its search
            hits = collection.search(TOWERS, vectors, most + int(_SLACK * wanted / share), EVERYTHING, None)
            satisfying = source.payload_index.satisfying(hits.items.ravel(), conditions).reshape(hits.items.shape)
            hits = _allowed(Hits(np.where(satisfying, hits.items, -1), hits.scores), excluded)
            if np.all(np.count_nonzero(hits.items >= 0, axis=1) >= wanted):
                return hits
    hits = collection.search(TOWERS, vectors, wanted + most, conditions, collection.ef)
    short = np.any(hits.items < 0, axis=1)
    if collection.ef is not None and short.any():  # a filtered walk of an HNSW graph may end early
        hits = _replaced(hits, short, collection.search(TOWERS, vectors[short], wanted + most, conditions, None))
    return _allowed(hits, excluded)


def _allowed(hits: Hits, excluded: Int64s) -> Hits:
    keys = np.arange(len(hits.items))[:, None] << 32 | hits.items
    return Hits(np.where(contains(excluded, keys), -1, hits.items), hits.scores)


def _best(
    source: ItemSource, hits: Hits, users: UserVectors, excluded: Int64s, k: int, conditions: Conditions
) -> tuple[Int64s, Floats]:
    """The `k` best items of each user, [users, k], by the sum of dense and sparse scores; `excluded` are keys."""
    owners, places = np.nonzero(hits.items >= 0)
    listed = owners << 32 | hits.items[owners, places]
    near = hits.scores[owners, places] + users.sparse.of(listed)
    rounding, highest = _rounding(hits), _highest(source, hits)
    enough = _kth(listed, near, len(users), k) - rounding
    keys = listed[near >= enough[owners]]
    others = _above(users.sparse, enough - highest)
    others = others.where(~contains(np.sort(listed), others.keys) & ~contains(excluded, others.keys))
    others = others.where(source.payload_index.satisfying(others.items, conditions))
    strongest = np.sort(_order(others.keys, others.values, k))  # their scores raise what the rest must reach
    keys = np.concatenate([keys, others.keys[strongest]])
    scores = _scores(source, users, keys)
    enough = _kth(keys, scores, len(users), k) - rounding
    rest = _above(others.where(~contains(others.keys[strongest], others.keys)), enough - highest)
    scores = np.concatenate([scores, _scores(source, users, rest.keys)])
    return _first(np.concatenate([keys, rest.keys]), scores, len(users), k)


def _scores(source: ItemSource, users: UserVectors, keys: Int64s) -> Floats:
    """[n] the whole score of each of these (user, item)."""
    return users.dot(source.item_vectors, keys >> 32, keys & _ITEM) + users.sparse.of(keys)


def _above(some: SparseScores, least: Floats) -> SparseScores:
    """The sparse scores above what each user [users] needs."""
    return some.where(some.values > least[some.owners])


def _kth(keys: Int64s, scores: Floats, users: int, k: int) -> Floats:
    """[users] the `k`-th best score of each; −inf where there are fewer."""
    return _first(keys, scores, users, k)[1][:, -1]


def _rounding(hits: Hits) -> Floats:
    """[users] how far the engine's score of a hit may be from NumPy's, twice: for the `k`-th best, and for another."""
    largest: Floats = np.abs(hits.scores).max(axis=1, initial=0, where=np.isfinite(hits.scores))
    return 2 * _ROUNDING * (1 + largest)


def _highest(source: ItemSource, hits: Hits) -> Floats:
    """[users] what the dense score of any other allowed item is at most.

    That is the last hit's score, but where a walk of an HNSW graph may have passed a better one by: the first hit's.
    """
    place = -1 if source.collection.ef is None else 0
    return np.asarray(hits.scores[:, place].clip(min=np.finfo(np.float32).min))


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
