"""What both Qdrant adapters share: names of distances, HNSW defaults, conversion of scored points and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from colisten.arrays import Floats
from colisten.errors import IndexStoreError
from colisten.serving.index.collection import Hits
from colisten.serving.index.layout import HnswParams, Metric

DISTANCES: Mapping[Metric, str] = {"dot": "Dot", "cosine": "Cosine"}
"""Members of Qdrant's `Distance`, which both clients call the same."""
NO_GRAPH = HnswParams(m=0)
"""Without links Qdrant builds no graph, and scans."""
FULL_SCAN_THRESHOLD = 1000
"""Kilobytes of filtered vectors up to which Qdrant scans instead of walking the graph."""
_SPARE, _MOST = 10, 10_000
"""Hits fetched beyond those wanted, to see where equal scores end; so many at most."""
_NO_SUCH_VECTOR = "Not existing vector name"
"""Part of Qdrant's message where a collection lacks the vector that is searched."""


def hits_of(found: Sequence[Sequence[Any]], limit: int) -> Hits:
    """Hits from the scored points of each query, which have `id` and `score`."""
    hits = Hits.none(len(found), limit)
    for row, points in enumerate(found):
        hits.items[row, : len(points)] = [point.id for point in points]
        hits.scores[row, : len(points)] = [point.score for point in points]
    order = np.lexsort((hits.items, -hits.scores), axis=1)
    return Hits(np.take_along_axis(hits.items, order, 1), np.take_along_axis(hits.scores, order, 1))


def settled(search: Callable[[Floats, int], Hits], vectors: Floats, limit: int) -> Hits:
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
