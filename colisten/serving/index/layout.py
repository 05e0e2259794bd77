"""The layout of a collection: named vectors and their metrics, filtered payload fields, HNSW parameters and limits.

With the protocol in `collection.py` this is all that a back end needs to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

Metric = Literal["dot", "cosine"]

TOWERS = "towers"
"""Vectors of the item tower: an item's score is the dot product of its vector with the user vector."""
HGNN = "hgnn"
"""Item embeddings of the graph network: items listened to by the same people are near each other."""
TEXT = "text"
"""Sentence embeddings of title, description and genres; zeros for an item without any."""


@dataclass(frozen=True)
class NamedVector:
    """How one of an item's vectors is compared and stored."""

    metric: Metric
    on_disk: bool = False
    """Read from disk when it is searched, not held in memory."""
    half: bool = False
    """Kept in half precision (float16); the engine rounds queries to it as well."""


VECTORS: Mapping[str, NamedVector] = {
    TOWERS: NamedVector("dot", half=True),
    HGNN: NamedVector("cosine", on_disk=True),  # this and the widest are for what is similar: most queries read neither
    TEXT: NamedVector("cosine", on_disk=True),
}
FILTERED_FIELDS = ("item_type", "language", "genres")
"""Payload fields that searches filter on. Index them before the first upload, or graph searches lose recall."""


@dataclass(frozen=True)
class HnswParams:
    """Parameters of the HNSW graph of each named vector."""

    m: int = 32
    """Links per item."""
    ef_construct: int = 200
    """Candidates kept while building."""
    efs: tuple[int, ...] = (128, 256, 512, 1024)
    """Values of `ef` for searching, least first; publishing takes the first with enough recall."""


@dataclass(frozen=True)
class Layout:
    """How a new collection is built."""

    widths: Mapping[str, int]
    """Width of each named vector; metric and storage are in `VECTORS`."""
    sparse: tuple[str, ...]
    """Names of the sparse vectors: an item's indices are the items whose streaming raises its score."""
    hnsw: HnswParams | None
    """None: no graph, and every search looks at all items."""
    int8: bool = False
    """Scalar quantisation: searches read int8 vectors, and score the best of these by the vectors themselves."""

    @classmethod
    def of(
        cls, widths: Mapping[str, int], sparse: tuple[str, ...], items: int, *, exact_up_to: int, int8: bool = False
    ) -> Self:
        """The layout for so many items: exact search up to `exact_up_to` of them, an HNSW graph beyond."""
        return cls(widths, sparse, HnswParams() if items > exact_up_to else None, int8)
