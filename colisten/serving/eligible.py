"""Searches among the items that may be shown: they satisfy the query's conditions, and no rule keeps them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.ragged import contains
from colisten.serving.index.collection import EVERYTHING, Collection, Conditions, Hits
from colisten.serving.payload_index import PayloadIndex

_FEW_QUERIES = 4
"""Queries up to which conditions that many items satisfy are faster looked up for the hits than by the engine."""
_COMMON = 0.25
"""Share of the items that satisfy such conditions."""
_RARE = 0.02
"""Share of the items from which on a kind of them is not looked for in one search with the other kinds."""
_SLACK = 1.5
"""How many hits to ask for, per hit expected to be enough."""
_WIDER, _WIDEST = 16, 20_000
"""How many times as many hits are asked for where rules leave too few of them, and at most so many: where what somebody
likes best is kept back, it comes first among the hits."""
_LISTED = 5_000
"""Items up to which the engine is told their numbers at once: it looks at no others."""


@dataclass(frozen=True)
class Eligible:
    """The published items that satisfy some conditions and that no rule keeps back."""

    index: PayloadIndex
    conditions: Conditions
    kept_back: Bools | None = None
    """[items] what may not be shown; None: nothing."""

    def holds(self, items: Int64s) -> Bools:
        """[n] whether each of these items is one of them."""
        held = self.index.satisfying(items, self.conditions)
        return held if self.kept_back is None else held & ~self.kept_back[items.clip(max=len(self.kept_back) - 1)]

    @cached_property
    def mask(self) -> Bools:
        """[last published item + 1] which items they are."""
        among = self.index.mask(self.conditions)
        if self.kept_back is None:
            return among
        known = min(len(among), len(self.kept_back))
        return np.concatenate([among[:known] & ~self.kept_back[:known], among[known:]])

    @cached_property
    def items(self) -> Int64s:
        """All of them, ascending."""
        return np.flatnonzero(self.mask)

    @cached_property
    def count(self) -> int:
        """How many they are."""
        return int(np.count_nonzero(self.mask))

    def share(self, of: Conditions) -> float:
        """Which share of the published items that satisfy the conditions `of` they are; about, where no rule holds."""
        if self.kept_back is None:
            return self.index.share(self.conditions) / self.index.share(of)
        return self.count / int(np.count_nonzero(self.index.mask(of)))


NOBODYS = np.empty(0, np.int64)
"""No (user, item) is excluded."""


def search_eligible(
    collection: Collection, using: str, vectors: Floats, wanted: int, eligible: Eligible,
    excluded: Int64s = NOBODYS, most: int = 0,
) -> Hits:  # fmt: skip
    """Hits of which as many as `wanted` are eligible and not excluded, where there are; the items of the others are -1.

    Hits are dropped after over-fetching: that is exact, and several times as fast as naming them in the query, since
    the engine scores together only queries that differ in nothing but the vector. Where too few are left, or only few
    items are eligible at all, the engine is asked among those, by their numbers.

    Args:
        collection: what to search.
        using: name of the vector.
        vectors: float32 [queries, width].
        wanted: hits per query.
        eligible: which items.
        excluded: keys of (query, item), ascending.
        most: items that any one query excludes.
    """
    if eligible.kept_back is not None and eligible.count <= max(_LISTED, wanted + most):
        return _listed(collection, using, vectors, wanted, eligible, excluded, most)
    common = eligible.index.share(eligible.conditions)
    # to look the conditions up of every item takes the engine as long as its search
    quick = collection.ef is None and len(vectors) <= _FEW_QUERIES and _COMMON < common < 1
    if eligible.kept_back is not None:
        asked, wider = EVERYTHING if quick else eligible.conditions, 1
        while wider == 1 or wider * (wanted + most) <= _WIDEST:
            hits = _over_fetched(collection, using, vectors, wider * wanted, asked, eligible, excluded, wider * most)
            if _enough(hits, wanted):
                return hits
            wider *= _WIDER
        return _listed(collection, using, vectors, wanted, eligible, excluded, most)
    if quick:
        hits = _over_fetched(collection, using, vectors, wanted, EVERYTHING, eligible, excluded, most)
        if _enough(hits, wanted):
            return hits
    hits = collection.search(using, vectors, wanted + most, eligible.conditions, collection.ef)
    short = np.any(hits.items < 0, axis=1)
    if collection.ef is not None and short.any():  # a filtered walk of an HNSW graph may end early
        exact = collection.search(using, vectors[short], wanted + most, eligible.conditions, None)
        hits = _replaced(hits, short, exact)
    return _allowed(hits, excluded)


def search_kinds(
    collection: Collection, using: str, vectors: Floats, wanted: int, eligible: Sequence[Eligible],
    excluded: Int64s = NOBODYS, most: int = 0,
) -> list[Hits]:  # fmt: skip
    """Like `search_eligible`, of several kinds of items: one search of all of them finds enough of most kinds."""
    found: Hits | None = None
    if len(eligible) > 1 and collection.ef is None and len(vectors) <= _FEW_QUERIES:
        limit = most + int(_SLACK * wanted / max(_RARE, min(kind.share(EVERYTHING) for kind in eligible)))
        found = collection.search(using, vectors, limit, EVERYTHING, None)
    answers = []
    for kind in eligible:
        hits = None if found is None else _kept(found, kind, excluded)
        if hits is None or not _enough(hits, wanted):
            hits = search_eligible(collection, using, vectors, wanted, kind, excluded, most)
        answers.append(hits)
    return answers


def _listed(
    collection: Collection, using: str, vectors: Floats, wanted: int, eligible: Eligible, excluded: Int64s, most: int
) -> Hits:
    if not eligible.count:
        return Hits.none(len(vectors), 1)
    among = Conditions(items=frozenset(eligible.items.tolist()))
    return _allowed(collection.search(using, vectors, wanted + most, among, None), excluded)


def _over_fetched(
    collection: Collection, using: str, vectors: Floats, wanted: int, asked: Conditions, eligible: Eligible,
    excluded: Int64s, most: int,
) -> Hits:  # fmt: skip
    limit = most + int(_SLACK * wanted / eligible.share(asked))
    return _kept(collection.search(using, vectors, limit, asked, collection.ef), eligible, excluded)


def _kept(hits: Hits, eligible: Eligible, excluded: Int64s) -> Hits:
    held = eligible.holds(hits.items.ravel()).reshape(hits.items.shape)
    return _allowed(Hits(np.where(held, hits.items, -1), hits.scores), excluded)


def _enough(hits: Hits, wanted: int) -> bool:
    return bool(np.all(np.count_nonzero(hits.items >= 0, axis=1) >= wanted))


def _allowed(hits: Hits, excluded: Int64s) -> Hits:
    keys = np.arange(len(hits.items))[:, None] << 32 | hits.items
    return Hits(np.where(contains(excluded, keys), -1, hits.items), hits.scores)


def _replaced(hits: Hits, rows: Bools, by: Hits) -> Hits:
    items, scores = hits.items.copy(), hits.scores.copy()
    items[rows], scores[rows] = by.items, by.scores
    return Hits(items, scores)
