"""Pruning of an edges file after the fact: at which top-K each edge is kept, for the edges of one item type."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def ranked_edges(edges: Path, target: str) -> pl.DataFrame:
    """The edges that an item of type `target` is an end of, with the `rank` (from 0) that decides whether they stay.

    An edge is kept by top-K if it is among the K strongest of either end, per edge type (see `edges.co_listening`): its
    `rank` is the smaller of the ranks at both ends. Edges pruned to a larger K give the same ranks below it.

    Args:
        edges: an edges file (see `edges.build_edges`).
        target: item type.
    """
    scan = pl.scan_parquet(edges).filter((pl.col("src_type") == target) | (pl.col("dst_type") == target))
    kept = scan.with_columns(pl.col("src_type", "dst_type").cast(pl.Categorical)).collect()
    ends = [
        kept.select(
            "weight", "listeners", edge=pl.int_range(pl.len()), end=near, other=far,
            type=pl.struct("relation", f"{far}_type").rank("dense"),
        )
        for near, far in (("src", "dst"), ("dst", "src"))
    ]  # fmt: skip
    order = ("end", "type", "weight", "listeners", "other")
    strongest = pl.concat(ends).sort(order, descending=[False, False, True, True, False])
    ranks = strongest.select("edge", rank=pl.int_range(pl.len()).over("end", "type"))
    best = ranks.group_by("edge").agg(pl.col("rank").min()).sort("edge")
    return kept.with_columns(best["rank"])
