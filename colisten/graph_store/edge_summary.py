"""Summary of an edges file: counts, degrees and hashes per edge type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from colisten.graph_store import fingerprint
from colisten.graph_store.edge_properties import scan_edges
from colisten.graph_store.edge_type import EdgeType
from colisten.listening.data import ListeningData

FILE = "edges.parquet"
EDGE_TYPE = ("src_type", "relation", "dst_type")
"""The columns of an edges file that name the edge type."""


@dataclass(frozen=True)
class EdgeSummary:
    """Figures of one edges file."""

    edges: Mapping[EdgeType, int]
    """Number of edges of each edge type that has any."""
    fingerprints: Mapping[EdgeType, int]
    """Order-independent hash of each edge type's edges, see `fingerprint.of_frame`."""
    degree: Mapping[EdgeType, float]
    """Edge type, in both directions → mean number of such neighbours over the items of its source type.

    Messages pass both ways along an edge, so a directed one counts at either end.
    """
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
    edges = scan_edges(edges)
    kinds = edges.group_by(EDGE_TYPE).agg(n=pl.len(), fingerprint=fingerprint.of_frame()).collect(engine="streaming")
    catalogue = data.items.lazy().filter(~pl.col("retired")).select("item", "item_type")
    touched = pl.concat([edges.select(item=end) for end in ("src", "dst")]).unique()
    items = dict(catalogue.group_by("item_type").len().sort("item_type").collect().rows())
    alone = dict(
        catalogue.join(touched, on="item", how="anti").group_by("item_type").len().collect(engine="streaming").rows()
    )
    rows = {EdgeType(*names): (count, hashed) for *names, count, hashed in sorted(kinds.rows())}
    counts = {edge_type: count for edge_type, (count, _) in rows.items()}
    ends: Counter[EdgeType] = Counter()
    for edge_type, count in counts.items():
        for direction in (edge_type, edge_type.reverse):
            ends[direction] += count
    return EdgeSummary(
        edges=counts,
        fingerprints={edge_type: hashed for edge_type, (_, hashed) in rows.items()},
        degree={edge_type: count / items[edge_type.src] for edge_type, count in sorted(ends.items())},
        items=items,
        isolated={kind: alone.get(kind, 0) for kind in items},
    )
