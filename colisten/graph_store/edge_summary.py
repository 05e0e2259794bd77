"""What the edges file holds, in figures: counts and degrees per edge type, and a hash that names the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from colisten.graph_store import fingerprint
from colisten.listening.data import ListeningData

EdgeType = tuple[str, str]
"""Two item types, in alphabetical order."""


@dataclass(frozen=True)
class EdgeSummary:
    """Figures of one edges file."""

    edges: Mapping[EdgeType, int]
    """Number of edges of each edge type that has any."""
    fingerprints: Mapping[EdgeType, int]
    """Order-independent hash of each edge type's edges, see `fingerprint.of_frame`."""
    degree: Mapping[tuple[str, str], float]
    """(item type, neighbour's type) → mean number of such neighbours over the items of the type."""
    items: Mapping[str, int]
    """Items in the catalogue (not retired) of each type."""
    isolated: Mapping[str, int]
    """Items in the catalogue of each type that no edge touches."""

    @property
    def total(self) -> int:
        return sum(self.edges.values())

    @property
    def fingerprint(self) -> int:
        """Order-independent hash of all edges: the sum of those of the edge types."""
        return sum(self.fingerprints.values())


def summarise(edges: pl.LazyFrame, data: ListeningData) -> EdgeSummary:
    """Read the figures off an edges file; memory is that of one row per item."""
    kinds = (
        edges.group_by("src_type", "dst_type")
        .agg(n=pl.len(), fingerprint=fingerprint.of_frame())
        .collect(engine="streaming")
    )
    catalogue = data.items.lazy().filter(~pl.col("retired")).select("item", "item_type")
    touched = pl.concat([edges.select(item=end) for end in ("src", "dst")]).unique()
    items = dict(catalogue.group_by("item_type").len().sort("item_type").collect().rows())
    alone = dict(
        catalogue.join(touched, on="item", how="anti").group_by("item_type").len().collect(engine="streaming").rows()
    )
    counts = {(a, b): n for a, b, n, _ in sorted(kinds.rows())}
    ends = {(a, b): n * (1 + (a == b)) for a, b, n, _ in kinds.rows()} | {
        (b, a): n for a, b, n, _ in kinds.rows() if a != b
    }
    return EdgeSummary(
        edges=counts,
        fingerprints={(a, b): f for a, b, _, f in sorted(kinds.rows())},
        degree={(a, b): n / items[a] for (a, b), n in sorted(ends.items())},
        items=items,
        isolated={kind: alone.get(kind, 0) for kind in items},
    )
