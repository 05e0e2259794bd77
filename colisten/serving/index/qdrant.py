"""What both Qdrant adapters share: names of distances, HNSW defaults, int8 searches, scored points and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from colisten.arrays import Floats
from colisten.errors import IndexStoreError
from colisten.serving.index.collection import Conditions, Hits
from colisten.serving.index.layout import VECTORS, HnswParams, Layout, Metric

DISTANCES: Mapping[Metric, str] = {"dot": "Dot", "cosine": "Cosine"}
"""Members of Qdrant's `Distance`, which both clients call the same."""
NO_GRAPH = HnswParams(m=0)
"""Without links Qdrant builds no graph, and scans."""
FULL_SCAN_THRESHOLD = 1000
"""Kilobytes of filtered vectors up to which Qdrant scans instead of walking the graph."""
_SPARE, _MOST = 10, 10_000
"""Hits fetched beyond those wanted, to see where equal scores end; so many at most."""
_OVERSAMPLING, _LEAST_CANDIDATES = 3.0, 1000
"""Candidates by int8 vectors per hit wanted, and at least: where few numbers of a query count, many items round to the
same score."""
_NO_SUCH_VECTOR = "Not existing vector name"
"""Part of Qdrant's message where a collection lacks the vector that is searched."""


@dataclass(frozen=True)
class Int8:
    """Scalar quantisation of a collection's vectors: what its searches have to know."""

    largest: float
    """The largest absolute number of a vector that is compared by dot product."""
    graph: bool
    """Whether HNSW graphs are walked; a search without `ef` is exact then, and reads no int8 vectors."""

    @classmethod
    def of(cls, layout: Layout, largest: float) -> Self | None:
        """Of a collection of this layout; None where it has no int8 vectors."""
        return cls(largest, graph=layout.hnsw is not None) if layout.int8 else None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self | None:
        """From what a finished collection says of itself; None where it has no int8 vectors."""
        found = stored.get("int8")
        return cls(**found) if found else None

    def scales(self, using: str, vectors: Floats) -> Floats:
        """[queries, 1] powers of two that bring each query into the range of the items' numbers, and near its end.

        The engine rounds a query to the same 127 steps as the items, and cuts off what is larger: of user vectors, with
        demand a multiple of any item's, half of the best 100 would be lost. By cosine it makes queries of length 1
        itself.
        """
        largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
        if VECTORS[using].metric == "cosine" or not self.largest:
            return np.ones_like(largest)
        scales: Floats = np.exp2(np.floor(np.log2(self.largest / np.where(largest > 0, largest, self.largest))))
        return scales


def largest_number(vectors: Mapping[str, Floats]) -> float:
    """The largest absolute number of the vectors that are compared by dot product."""
    compared = (rows for name, rows in vectors.items() if VECTORS[name].metric == "dot")
    return max((float(np.abs(rows).max(initial=0)) for rows in compared), default=0.0)


def hits_of(found: Sequence[Sequence[Any]], limit: int) -> Hits:
    """Hits from the scored points of each query, which have `id` and `score`."""
    hits = Hits.none(len(found), limit)
    for row, points in enumerate(found):
        hits.items[row, : len(points)] = [point.id for point in points]
        hits.scores[row, : len(points)] = [point.score for point in points]
    order = np.lexsort((hits.items, -hits.scores), axis=1)
    return Hits(np.take_along_axis(hits.items, order, 1), np.take_along_axis(hits.scores, order, 1))


def searched(
    search: Callable[[str, Floats, int, Conditions, int | None, float | None], Hits],
    using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None, int8: Int8 | None,
) -> Hits:  # fmt: skip
    """The settled hits of `search` (using, queries, limit, conditions, ef, oversampling); oversampling is None where it
    is to be exact, or to read the vectors themselves."""

    def plain(some: Floats, wider: int) -> Hits:
        return search(using, some, wider, conditions, ef, None)

    def rescored(some: Floats, wider: int) -> Hits:
        return search(using, some, wider, conditions, ef, max(_OVERSAMPLING, _LEAST_CANDIDATES / wider))

    if int8 is None or (int8.graph and ef is None):
        return _settled(plain, vectors, limit)
    scales = int8.scales(using, vectors)
    hits = _settled(rescored, vectors * scales, limit)
    return Hits(hits.items, hits.scores / scales)


def _settled(search: Callable[[Floats, int], Hits], vectors: Floats, limit: int) -> Hits:
    """The best `limit` hits of each query, of equal scores the lowest items.

    Which of several equal scores come last is up to the engine's segments: more hits are fetched by `search` (queries,
    limit) until the last score is a lower one.
    """
    asked, wider, found = np.arange(len(vectors)), limit + _SPARE, Hits.none(len(vectors), limit)
    while len(asked):
        hits = search(vectors[asked], wider)
        found.items[asked], found.scores[asked] = hits.items[:, :limit], hits.scores[:, :limit]
        undecided = (hits.items[:, -1] >= 0) & (hits.scores[:, -1] == hits.scores[:, limit - 1])
        asked, wider = asked[undecided & (wider < _MOST)], 4 * wider
    return found


def refusal(message: str, otherwise: str) -> IndexStoreError:
    """The error for a `message` of Qdrant; its sentence is `otherwise` unless the cause is known."""
    if _NO_SUCH_VECTOR in message:
        otherwise = "The live index was published by an older Colisten and lacks vectors: run `colisten index publish`."
    return IndexStoreError(otherwise)
