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
_LEAST_SHARE = 2.0**-40
"""Of the items' largest number: a query of smaller ones counts as one of this, lest it be scaled to infinity."""
_NO_SUCH_VECTOR = "Not existing vector name"
"""Part of Qdrant's message where a collection lacks the vector that is searched."""
_OLDER = "The live index was published by an older Colisten and lacks {}: run `colisten index publish`."


@dataclass(frozen=True)
class Int8:
    """Scalar quantisation of a collection's vectors: what its searches have to know."""

    least: float
    largest: float
    """The least and largest number of the vectors that are compared by dot product, and 0: a byte tells these apart."""
    graph: bool
    """Whether HNSW graphs are walked; a search without `ef` is exact then, and reads no int8 vectors."""

    @classmethod
    def of(cls, layout: Layout, numbers: tuple[float, float]) -> Self | None:
        """Of a collection of this layout with these least and largest `numbers`; None where it has no int8 vectors."""
        return cls(*numbers, graph=layout.hnsw is not None) if layout.int8 else None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self | None:
        """From what a finished collection says of itself; None where it has no int8 vectors."""
        found = stored.get("int8")
        if found and "least" not in found:
            raise IndexStoreError(_OLDER.format("the least number of its int8 vectors"))
        return cls(**found) if found else None

    def scales(self, using: str, vectors: Floats) -> Floats:
        """[queries, 1] powers of two that bring each query into the range of the items' numbers, and near its end.

        The engine rounds a query to the same 127 steps as the items, and cuts off what lies beyond: of user vectors,
        with demand a multiple of any item's, half of the best 100 would be lost. By cosine it makes queries of length 1
        itself. Where all items' numbers are of one sign, a query's numbers of the other are lost whatever its scale.
        """
        if VECTORS[using].metric == "cosine" or self.least == self.largest:
            return np.ones((len(vectors), 1), np.float32)
        sides = [(-self.least, (-vectors).max(axis=1)), (self.largest, vectors.max(axis=1))]
        rooms = [bound / np.maximum(reached, bound * _LEAST_SHARE) for bound, reached in sides if bound > 0]
        scales: Floats = np.exp2(np.floor(np.log2(np.min(rooms, axis=0))))[:, None]
        return scales


def widened(numbers: tuple[float, float], vectors: Mapping[str, Floats]) -> tuple[float, float]:
    """The least and largest number of those so far and of the vectors that are compared by dot product."""
    compared = [rows for name, rows in vectors.items() if VECTORS[name].metric == "dot"]
    least, largest = numbers
    return (
        min([least, *(float(rows.min(initial=0)) for rows in compared)]),
        max([largest, *(float(rows.max(initial=0)) for rows in compared)]),
    )


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
        otherwise = _OLDER.format("vectors")
    return IndexStoreError(otherwise)
