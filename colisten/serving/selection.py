"""Greedy selection of an answer from the best shortlists: quotas of item types, and diversity by MMR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from colisten.arrays import Floats, Halves, Int32s, Int64s
from colisten.serving.ranking import Ranked

_POOL, _MOST_MORE = 5, 100
"""How many shortlists diversity chooses among, per item of the answer; and at most so many more than those."""
_CELLS_AT_ONCE = 1 << 24
"""Numbers of the shortlists' vectors held at once: bounds memory (64 MB)."""


def pool_size(k: int, diversity: float) -> int:
    """How many of the best items an answer of `k` is selected from."""
    return min(_POOL * k, k + _MOST_MORE) if diversity else k


class ItemRows(Protocol):
    """[items, width] vectors by item number, as an array has them."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, items: Int64s, /) -> Floats | Halves: ...


@dataclass(frozen=True)
class Shortlists:
    """The best items of each user, by rankings that have no item in common (one for each item type, say)."""

    items: Int64s
    """[users, c] item numbers; -1 where there are no more."""
    scores: Floats
    """[users, c]; -inf where there are no more."""
    kinds: Int64s
    """[c] which ranking each column is from."""

    @classmethod
    def of(cls, rankings: Sequence[Ranked], users: int, each: int) -> Shortlists:
        """Rankings of so many `users`, of at most `each` items of a user."""
        width = len(rankings) * each
        items, scores = np.full((users, width), -1, np.int64), np.full((users, width), -np.inf, np.float32)
        for kind, ranked in enumerate(rankings):
            columns = kind * each + ranked.ranks - 1
            items[ranked.users, columns] = ranked.items
            scores[ranked.users, columns] = ranked.scores
        return cls(items, scores, np.repeat(np.arange(len(rankings)), each))

    def __len__(self) -> int:
        return len(self.items)


def select(shortlists: Shortlists, k: int, least: Sequence[int], diversity: float, item_vectors: ItemRows) -> Ranked:
    """Select `k` items for each user, one after the other, and give them in the order of their scores.

    Each time that item is taken whose (1 − d) r − d s is greatest (maximal marginal relevance, Carbonell & Goldstein
    1998): d is the `diversity`, r the discount that NDCG gives to the item's rank by score, and s the mean cosine of
    its vector with those taken so far: their mean is what intra-list diversity counts. The most similar one alone, as
    in the paper, costs about twice as much NDCG for as much diversity (`benchmarks/rules.py`). By rank, since scores
    of one user are spread unlike those of another: as much again for scaled scores.

    Of the i-th ranking at least `least[i]` items are taken, or all it has: places that a ranking cannot fill go to the
    best of the others. Without diversity that is exactly the best answer by the sum of scores that keeps to the quotas.

    Args:
        shortlists: at least the best `k` of each ranking, as far as there are.
        k: items per user.
        least: by ranking; together at most `k`.
        diversity: 0 to 1.
        item_vectors: [items, width] of all items.
    """
    width = max(1, shortlists.items.shape[1] * (item_vectors.shape[1] if diversity else 1))
    at_once = max(1, _CELLS_AT_ONCE // width)
    found = []
    for start in range(0, len(shortlists), at_once):
        rows = slice(start, start + at_once)
        some = Shortlists(shortlists.items[rows], shortlists.scores[rows], shortlists.kinds)
        found.append(_selected(some, k, np.array(least), diversity, item_vectors))
    columns = np.concatenate(found) if found else np.empty((0, k), np.int64)
    users, places = np.nonzero(columns >= 0)
    chosen = columns[users, places]
    ranks: Int32s = (places + 1).astype(np.int32)
    return Ranked(users, shortlists.items[users, chosen], shortlists.scores[users, chosen], ranks)


def _selected(shortlists: Shortlists, k: int, least: Int64s, diversity: float, item_vectors: ItemRows) -> Int64s:
    """[users, k] columns of the items taken; -1 where there are no more."""
    everyone, present = np.arange(len(shortlists)), shortlists.items >= 0
    there = np.stack([present[:, shortlists.kinds == kind].sum(axis=1) for kind in range(len(least))], axis=1)
    owed = np.minimum(least, there)
    free = k - owed.sum(axis=1)
    relevance = _relevance(shortlists)
    unit = _unit(item_vectors[shortlists.items]) if diversity else None
    similar: Floats = np.zeros(shortlists.items.shape, np.float32)
    columns = np.full((len(shortlists), k), -1, np.int64)
    for place in range(min(k, shortlists.items.shape[1])):
        may = present & ((owed[:, shortlists.kinds] > 0) | (free > 0)[:, None])
        gain = (1 - diversity) * relevance - diversity * similar / place if place else relevance
        best = np.argmax(np.where(may, gain, -np.inf), axis=1)
        taken = may[everyone, best]
        columns[taken, place] = best[taken]
        present[everyone, best] = False
        kinds = shortlists.kinds[best]
        due = owed[everyone, kinds] > 0
        owed[everyone[due], kinds[due]] -= 1
        free -= ~due
        if unit is not None:
            similar += np.einsum("ucw,uw->uc", unit, unit[everyone, best])
    by_score = np.argsort(-np.where(columns >= 0, relevance[everyone[:, None], columns], 0), axis=1, kind="stable")
    return np.take_along_axis(columns, by_score, axis=1)


def _relevance(shortlists: Shortlists) -> Floats:
    """[users, c] the discount that NDCG gives to the rank of each item among all of its user: 1, .63, .5, .43, …"""
    order = np.argsort(-shortlists.scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, order.shape[1] + 1)[None], axis=1)
    relevance: Floats = (1 / np.log2(ranks + 1)).astype(np.float32)
    return relevance


def _unit(vectors: Floats | Halves) -> Floats:
    rows = vectors.astype(np.float32)
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return unit
