"""The co-listening edges of some listening data, computed on one machine or by Spark."""

from __future__ import annotations

from pathlib import Path

import ibis
import polars as pl
from ibis import _

from colisten.graph_store.co_listening import co_listening, edges_of, places_of
from colisten.graph_store.edge_summary import FILE, EdgeSummary, summarise
from colisten.graph_store.engines import run_on_duckdb, run_on_spark
from colisten.graph_store.strongest_pairs import write_strongest_pairs
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Engine, GraphSettings
from colisten.workdir import draft_folder, replacing_file

DEFAULT_TOP_K = 10
"""Edges kept of an item and edge type where nothing is set."""
DEFAULT_SHRINKAGE = 5.0
"""Listeners at which an edge counts half its cosine where nothing is set."""


def build_edges(
    data: ListeningData, options: GraphSettings, out: Path, progress: Progress, *, engine: Engine = "local"
) -> EdgeSummary:
    """Compute the edges of `data` into `out/edges.parquet`, in memory bounded by `options.memory_mb`.

    Columns: `src` int32, `dst` int32 (items, src < dst in the order of (type name, row)), the edge type `src_type` str,
    `relation` str, `dst_type` str, then `listeners` int32, `weight` float32 in (0, 1], `last` int64 s or null (when
    somebody had last heard both; a stream of unknown time was before all others); ordered by edge type, src, dst.
    The same data and options give the same edges on either engine.

    Raises:
        SettingsError: the engine cannot be used.
        GraphError: it ran out of memory.
        OutOfSpaceError: the disk is full.
    """
    build = {"local": _build_locally, "spark": _build_on_spark}[engine]
    out.mkdir(parents=True, exist_ok=True)
    with replacing_file(out / FILE) as draft, draft_folder(out, "spill") as spill:
        build(data, options, draft, spill, progress)
    return summarise(pl.scan_parquet(out / FILE, glob=False), data)


def _build_locally(data: ListeningData, options: GraphSettings, out: Path, spill: Path, progress: Progress) -> None:
    pairs, (top_k, shrinkage) = spill / "pairs.parquet", _pruning(options)
    write_strongest_pairs(data, options, top_k, [shrinkage], pairs, progress)
    tables = {"pairs": pairs, "items": data.root / "items.parquet"}
    run_on_duckdb(
        lambda tables: edges_of(_undirected(tables["pairs"]), places_of(tables["items"])), tables, out,
        memory_mb=options.memory_mb, spill=spill, title="co-listening edges", progress=progress,
    )  # fmt: skip


def _undirected(pairs: ibis.Table) -> ibis.Table:
    """Each pair once, though it may be among the strongest of both ends."""
    ends = pairs.mutate(src=ibis.least(_.node, _.neighbour), dst=ibis.greatest(_.node, _.neighbour))
    return ends.select("src", "dst", "listeners", "weight", "last").distinct()


def _build_on_spark(data: ListeningData, options: GraphSettings, out: Path, spill: Path, progress: Progress) -> None:
    top_k, shrinkage = _pruning(options)
    tables = {"interactions": data.interactions, "items": data.root / "items.parquet"}
    run_on_spark(
        lambda tables: co_listening(
            **tables, strong=data.strong, items_per_user=options.items_per_user,
            min_listeners=options.min_listeners, shrinkage=shrinkage, top_k=top_k,
        ),
        tables, out, memory_mb=options.memory_mb, spill=spill, progress=progress,
    )  # fmt: skip


def _pruning(options: GraphSettings) -> tuple[int, float]:
    """`top_k` and `shrinkage`, the defaults where they are not set."""
    top_k = DEFAULT_TOP_K if options.top_k is None else options.top_k
    return top_k, DEFAULT_SHRINKAGE if options.shrinkage is None else options.shrinkage
