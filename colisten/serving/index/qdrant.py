"""What both Qdrant adapters share: names of distances, HNSW defaults, conversion of scored points and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from colisten.errors import IndexStoreError
from colisten.serving.index.collection import Hits
from colisten.serving.index.layout import HnswParams, Metric

DISTANCES: Mapping[Metric, str] = {"dot": "Dot", "cosine": "Cosine"}
"""Members of Qdrant's `Distance`, which both clients call the same."""
NO_GRAPH = HnswParams(m=0)
"""Without links Qdrant builds no graph, and scans."""
FULL_SCAN_THRESHOLD = 1000
"""Kilobytes of filtered vectors up to which Qdrant scans instead of walking the graph."""
_NO_SUCH_VECTOR = "Not existing vector name"
"""Part of Qdrant's message where a collection lacks the vector that is searched."""


def hits_of(found: Sequence[Sequence[Any]], limit: int) -> Hits:
    """Hits from the scored points of each query, which have `id` and `score`."""
    items = np.full((len(found), limit), -1, np.int64)
    scores = np.full((len(found), limit), -np.inf, np.float32)
    for row, points in enumerate(found):
        items[row, : len(points)] = [point.id for point in points]
        scores[row, : len(points)] = [point.score for point in points]
    order = np.lexsort((items, -scores), axis=1)
    return Hits(np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1))


def refusal(message: str, otherwise: str) -> IndexStoreError:
    """The error for a `message` of Qdrant; its sentence is `otherwise` unless the cause is known."""
    if _NO_SUCH_VECTOR in message:
        otherwise = "The live index was published by an older Colisten and lacks vectors: run `colisten index publish`."
    return IndexStoreError(otherwise)
