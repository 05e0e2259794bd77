"""Top-k retrieval by dense and sparse scores, without excluded items: batched searches, exact sums, ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Halves, Int32s, Int64s
from colisten.ragged import contains, spans
from colisten.serving.block_search import USERS_AT_ONCE, search_blocks
from colisten.serving.eligible import Eligible, search_kinds
from colisten.serving.index.collection import Collection, Hits
from colisten.serving.index.layout import TOWERS
from colisten.towers.item_matrix import SparseScores, merged
from colisten.towers.user_vectors import UserVectors

_QUERIES_AT_ONCE = 256
_HITS_AT_ONCE = 200_000
_MANY = 64
"""Users from which on products of blocks take less time than exact searches: 8 with 5,000 items, 40 with 200,000, whose
vectors are read and made single precision once for all users (`benchmarks/bulk.py`)."""
_AT_HAND = 1 << 22
"""Bytes of item vectors (of 16,000 items) up to which they are kept in single precision: a product with all of them
takes less time than the engine needs to begin a search (`benchmarks/serve.py`)."""
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

    def of(self, users: Int64s) -> Ranked:
        """The same ranking, where the users were these among others."""
        return Ranked(users[self.users], self.items, self.scores, self.ranks)


def one_ranking(rankings: Sequence[Ranked]) -> Ranked:
    """The rankings of different users as one, user by user."""
    if len(rankings) == 1:
        return rankings[0]
    users, items, scores, ranks = (
        np.concatenate([getattr(ranked, name) for ranked in rankings]) for name in ("users", "items", "scores", "ranks")
    )
    order = np.lexsort((ranks, users))
    return Ranked(users[order], items[order], scores[order], ranks[order])


def best_of(rankings: Sequence[Ranked], users: int, k: int) -> Ranked:
    """The `k` best of each of so many users, among rankings that have no item in common."""
    keys = np.concatenate([ranked.users << 32 | ranked.items for ranked in rankings])
    return _ranked(*_first(keys, np.concatenate([ranked.scores for ranked in rankings]), users, k))


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

    def take(self, users: Int64s) -> ExcludedItems:
        """Those of some users, in the order given, who are counted anew from zero."""
        keys = self.of(users)
        return ExcludedItems(keys >> 32, keys & _ITEM)


NOTHING = ExcludedItems(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Boost:
    """What is added to the scores of some items, for everybody: never negative, as sparse scores are."""

    items: Int64s
    """[b] ascending."""
    amounts: Floats
    """[b] above zero."""

    def added_to(self, users: UserVectors) -> UserVectors:
        """The same users, to whom these items score more."""
        keys = (np.arange(len(users))[:, None] << 32 | self.items).ravel()
        added = SparseScores(keys, np.tile(self.amounts, len(users)))
        return UserVectors(users.dense, merged([users.sparse, added]))


@dataclass(frozen=True)
class ItemSource:
    """What a ranking is made from."""

    collection: Collection
    item_vectors: Halves | Floats
    """[items, dim] the vectors of the collection, for exact scores (`at_hand`)."""


def at_hand(item_vectors: Halves | Floats) -> Halves | Floats:
    """The vectors in single precision if they are few, so that single users too are answered by products."""
    return item_vectors.astype(np.float32) if item_vectors.nbytes <= _AT_HAND else item_vectors


def rank(
    source: ItemSource,
    users: UserVectors,
    excluded: ExcludedItems,
    k: int,
    eligible: Sequence[Eligible],
    boost: Boost | None = None,
) -> list[Ranked]:
    """The `k` best items for each user of each of these kinds of eligible ones, none excluded; exact if the search is.

    Sparse scores are never negative. So the best `k` are among the best by the dense vector alone, of which `k` are
    allowed, and the items with a sparse score: any other item has `k` allowed ones before it by the dense score, which
    is all it has.

    Many users, and all where there are few items, are answered without the collection, if its searches are exact: by
    products of blocks.
    """
    if source.collection.ef is None and (len(users) >= _MANY or source.item_vectors.dtype == np.float32):
        return [_ranked(*_best_in_blocks(source, users, excluded, k, kind, boost)) for kind in eligible]
    counts = np.bincount(excluded.users, minlength=len(users))
    items = np.full((len(eligible), len(users), k), -1, np.int64)
    scores = np.full((len(eligible), len(users), k), -np.inf, np.float32)
    for rows in _batches(k + counts):
        keys = excluded.of(rows)
        some = _boosted(users.take(rows), boost)
        most = int(counts[rows].max())
        found = search_kinds(source.collection, TOWERS, some.dense, k + _FURTHER, eligible, keys, most)
        for place, (kind, hits) in enumerate(zip(eligible, found, strict=True)):
            items[place, rows], scores[place, rows] = _best(source, hits, some, keys, k, kind)
    return [_ranked(*best) for best in zip(items, scores, strict=True)]


def _boosted(users: UserVectors, boost: Boost | None) -> UserVectors:
    return users if boost is None else boost.added_to(users)


def _ranked(items: Int64s, scores: Floats) -> Ranked:
    """From the items of each user [users, k], best first; -1 where there are no more."""
    found, places = np.nonzero(items >= 0)
    return Ranked(found, items[found, places], scores[found, places], (places + 1).astype(np.int32))


def _best_in_blocks(
    source: ItemSource, users: UserVectors, excluded: ExcludedItems, k: int, eligible: Eligible, boost: Boost | None
) -> tuple[Int64s, Floats]:
    """The `k` best items of each user, [users, k], and their scores, by products of blocks."""
    items = np.full((len(users), k), -1, np.int64)
    scores = np.full((len(users), k), -np.inf, np.float32)
    for start in range(0, len(users), USERS_AT_ONCE):
        rows = np.arange(start, min(start + USERS_AT_ONCE, len(users)))
        some = _boosted(users.take(rows) if len(users) > USERS_AT_ONCE else users, boost)
        hits = search_blocks(source.item_vectors, some, eligible.items, excluded.of(rows), k + _FURTHER)
        owners, places = np.nonzero(hits.items >= 0)
        keys = owners << 32 | hits.items[owners, places]
        exact = _scores(source, some, keys)  # as any ranking scores, to the last bit
        items[rows], scores[rows] = _first(keys, exact, len(rows), k)
    return items, scores


def _best(
    source: ItemSource, hits: Hits, users: UserVectors, excluded: Int64s, k: int, eligible: Eligible
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
    others = others.where(eligible.holds(others.items))
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
