"""Exact top-k search for many users at once: their vectors times those of all items, block by block, in BLAS.

What an index answers one query after the other is one matrix product here: the fastest way to score everything for
everybody. Sparse scores are added to a block of dense ones and excluded items struck from it, so that the best are
found among whole scores. The item vectors stay memory-mapped; memory is bounded by a block of scores and the best so
far.
"""

from __future__ import annotations

import numpy as np

from colisten.arrays import Bools, Floats, Halves, Int32s, Int64s
from colisten.ragged import offsets, spans
from colisten.serving.index.collection import Hits
from colisten.towers.user_vectors import UserVectors

USERS_AT_ONCE = 1024
"""Users of one product: item vectors are read and made single precision once for all of them."""
_ITEMS_AT_ONCE = 8192
"""Scores of one block, [1024, 8192] float32, take 32 MB."""
_WORD = 8
"""Flags looked through at once."""
_LEAST = np.finfo(np.float32).min
"""Of a score: what is excluded is below it."""
_POOLED = 2
"""How many candidates to collect, per hit wanted, before all but the best are dropped."""


def search_blocks(
    item_vectors: Halves | Floats, users: UserVectors, items: Int64s, excluded: Int64s, limit: int
) -> Hits:
    """The `limit` best items of each user, by the sum of dense and sparse scores.

    Args:
        item_vectors: [all items, width], memory-mapped where they are many.
        users: whom to score for.
        items: numbers of the items to look at, ascending.
        excluded: keys (user << 32 | item), ascending, of what a user does not get.
        limit: items per user.
    """
    best = _Best(len(users), limit)
    column = np.full(len(item_vectors), -1, np.int32)
    column[items] = np.arange(len(items)) % _ITEMS_AT_ONCE
    for start in range(0, len(items), _ITEMS_AT_ONCE):
        some = items[start : start + _ITEMS_AT_ONCE]
        scores = users.dense @ _rows(item_vectors, some).T
        mine, places = _of_block(users.sparse.keys, len(users), some, column)
        scores.reshape(-1)[places] += users.sparse.values[mine]
        scores.reshape(-1)[_of_block(excluded, len(users), some, column)[1]] = -np.inf
        best.add(scores, some)
    return best.hits()


def _rows(item_vectors: Halves | Floats, items: Int64s) -> Floats:
    """[n, width] vectors of these items, ascending: a slice where none between them is left out."""
    first, last = int(items[0]), int(items[-1])
    halves = item_vectors[first : last + 1] if last - first < len(items) else item_vectors[items]
    return halves.astype(np.float32, copy=False)


def _of_block(keys: Int64s, users: int, items: Int64s, column: Int32s) -> tuple[Int64s, Int64s]:
    """Those of the keys (user << 32 | item), ascending, that are of a block: which, and their flat places in it.

    Args:
        keys: of any items.
        users: rows of the block.
        items: columns of the block, ascending.
        column: [all items] of each item in its block; -1: in none.
    """
    firsts = np.arange(users, dtype=np.int64) << 32
    starts, ends = np.searchsorted(keys, firsts + items[0]), np.searchsorted(keys, firsts + items[-1], side="right")
    found = spans(starts, ends - starts)
    columns = column[keys[found] & 0xFFFFFFFF]
    places = np.repeat(np.arange(users) * len(items), ends - starts) + columns
    here = columns >= 0
    return (found, places) if here.all() else (found[here], places[here])


class _Best:
    """The best items so far of each query; candidates are pooled, and cut to the best where they have become many."""

    def __init__(self, queries: int, limit: int) -> None:
        self._limit = limit
        self._bounds = np.full(queries, -np.inf, np.float32)
        """[queries] what a score must reach."""
        self._pool: list[tuple[Int64s, Int64s, Floats]] = []
        """Candidates: query, item, score; each list ordered by query."""
        self._pooled = 0

    def add(self, scores: Floats, items: Int64s) -> None:
        """Add the scores [queries, n] of some items."""
        if not self._pooled:
            self._bounds = _lower_bounds(scores, self._limit)
        reaching = _true_places(scores >= np.maximum(self._bounds, _LEAST)[:, None])
        queries, places = np.divmod(reaching, len(items))
        self._pool.append((queries, items[places], scores[queries, places]))
        self._pooled += len(queries)
        if self._pooled > _POOLED * self._limit * len(self._bounds):
            self._cut()

    def hits(self) -> Hits:
        found = Hits.none(len(self._bounds), self._limit)
        if self._pooled:
            items, scores = self._table(*self._cut())
            order = np.lexsort((items, -scores))[:, : self._limit]
            for mine, all_of_them in ((found.items, items), (found.scores, scores)):
                mine[:, : order.shape[1]] = np.take_along_axis(all_of_them, order, axis=1)
        return found

    def _cut(self) -> tuple[Int64s, Int64s, Floats]:
        """Drop what cannot be among the best, and raise the bounds."""
        queries, items, scores = (np.concatenate(column) for column in zip(*self._pool, strict=True))
        order = np.argsort(queries, kind="stable")  # merges the lists
        queries, items, scores = queries[order], items[order], scores[order]
        table = self._table(queries, items, scores)[1]
        if table.shape[1] > self._limit:
            self._bounds = np.partition(table, -self._limit, axis=1)[:, -self._limit]
            kept = scores >= self._bounds[queries]
            queries, items, scores = queries[kept], items[kept], scores[kept]
        self._pool, self._pooled = [(queries, items, scores)], len(queries)
        return queries, items, scores

    def _table(self, queries: Int64s, items: Int64s, scores: Floats) -> tuple[Int64s, Floats]:
        """Candidates ordered by query as rows, [queries, most of any]; -1 and −inf where there are no more."""
        counts = np.bincount(queries, minlength=len(self._bounds))
        places = np.arange(len(queries)) - offsets(counts)[queries]
        table = Hits.none(len(counts), int(counts.max()))
        table.items[queries, places] = items
        table.scores[queries, places] = scores
        return table.items, table.scores


def _lower_bounds(scores: Floats, limit: int) -> Floats:
    """[queries] what the `limit`-th best of these scores [queries, n] is at least; −inf where there are not so many.

    That is the `limit`-th best of the maxima of groups, each of which is the score of some item of its own.
    """
    queries, count = scores.shape
    if count <= limit:
        return np.full(queries, -np.inf, np.float32)
    size = max(1, count // (4 * limit))
    groups = count // size
    maxima = scores[:, : size * groups].reshape(queries, size, groups).max(axis=1)
    found: Floats = np.partition(maxima, groups - limit, axis=1)[:, groups - limit]
    return found


def _true_places(flags: Bools) -> Int64s:
    """Places in `flags` [queries, n], flat, of the true ones, which are few: whole words of zeros are passed over."""
    flat = flags.reshape(-1)
    whole = len(flat) - len(flat) % _WORD
    words = np.flatnonzero(flat[:whole].view(np.uint64))
    places = (words[:, None] * _WORD + np.arange(_WORD)).ravel()
    places = np.concatenate([places, np.arange(whole, len(flat))])
    found: Int64s = places[flat[places]]
    return found
