"""How many edges an item keeps, chosen on validation: before the graph is built, so without the graph model.

The graph itself recommends: an item scores the sum of its edges to what the user has heard. What is hidden of the
listening is in no edge of it (see `gnn.rehearsal`). More than ten edges are not tried: direct neighbours may find more
with fifty, but the model, which hears of the neighbours' neighbours too, finds less.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from colisten.graph_store.edges import FILE, USUAL_TOP_K, build_edges
from colisten.listening.data import ListeningData
from colisten.listening.other_interactions import with_interactions
from colisten.progress import Progress
from colisten.settings import Graph, Settings
from colisten.towers.holdout import hold_out
from colisten.towers.linear import heard_matrix
from colisten.towers.ranking import Scores, Task, not_worse
from colisten.towers.reading import interactions_of, listeners_of
from colisten.towers.ruling_out import ruled_out

PRUNINGS = (USUAL_TOP_K, 5)
"""Edges kept per item and edge type; the first of those that validation cannot tell from the best is taken."""


@dataclass(frozen=True)
class Pruned:
    """What was chosen."""

    options: Graph
    """With `top_k` filled in."""
    gains: dict[int, float]
    """Mean of NDCG@10 and NDCG@100 on hidden listening, by `top_k`; empty where nothing was tried."""


def choose_pruning(data: ListeningData, settings: Settings, scratch: Path, progress: Progress) -> Pruned:
    """The graph's settings with a `top_k`: what is set, or what validation chooses.

    Costs the edges of what is left of the listening, which are made in `scratch` and removed again.
    """
    options = settings.graph
    if options.top_k is not None:
        return Pruned(options, {})
    usual = Pruned(options.model_copy(update={"top_k": USUAL_TOP_K}), {})
    if not settings.towers.minutes:
        return usual
    everybody, is_target = listeners_of(data), data.of_type(settings.target)
    held = hold_out(everybody, is_target, data.strong, np.random.default_rng(settings.seed))
    if not len(held.users):
        return usual
    task = Task.of(held, is_target, data.strong, ruled_out(everybody, data.strong, len(data.signals), len(is_target)))
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix=".pruning.") as folder:
        known = with_interactions(data, interactions_of(held.kept).lazy(), Path(folder))
        widest = options.model_copy(update={"top_k": max(PRUNINGS)})
        build_edges(known, widest, known.root, progress)
        edges = _ranked(_touching(known, settings.target))
    heard = heard_matrix(held.kept.take(held.users), len(is_target), data.strong)
    gains = [task.gains(_scores(edges.filter(pl.col("rank") < top_k), heard, task)) for top_k in PRUNINGS]
    chosen = PRUNINGS[int(not_worse(np.stack(gains)).argmax())]
    means = {top_k: float(gain.mean()) for top_k, gain in zip(PRUNINGS, gains, strict=True)}
    return Pruned(options.model_copy(update={"top_k": chosen}), means)


def _touching(data: ListeningData, target: str) -> pl.DataFrame:
    """The edges that a target item is an end of: all that its rank and its score depend on."""
    edges = pl.scan_parquet(data.root / FILE).filter((pl.col("src_type") == target) | (pl.col("dst_type") == target))
    return edges.with_columns(pl.col("src_type", "dst_type").cast(pl.Enum(data.item_types))).collect()


def _ranked(edges: pl.DataFrame) -> pl.DataFrame:
    """Edges with the better of their `rank`s at both ends, among the end's edges to items of one type."""
    ends = [
        edges.select(
            "weight", "listeners", edge=pl.int_range(pl.len()), end=near, other=far, type=pl.col(f"{far}_type")
        )
        for near, far in (("src", "dst"), ("dst", "src"))
    ]
    order = ("end", "type", "weight", "listeners", "other")
    strongest = pl.concat(ends).sort(order, descending=[False, False, True, True, False])
    ranks = strongest.select("edge", rank=pl.int_range(pl.len()).over("end", "type"))
    best = ranks.group_by("edge").agg(pl.col("rank").min()).sort("edge")
    return edges.with_columns(best["rank"])


def _scores(edges: pl.DataFrame, heard: csr_array, task: Task) -> Scores:
    src, dst, weight = (edges[name].to_numpy() for name in ("src", "dst", "weight"))
    places = np.concatenate([src, dst]), np.concatenate([dst, src])
    graph = csr_array((np.concatenate([weight, weight]), places), shape=(heard.shape[1],) * 2)[:, task.candidates]
    return lambda users: (heard[users] @ graph).toarray()
