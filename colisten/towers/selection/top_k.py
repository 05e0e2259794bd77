"""Selection of `graph.top_k` on the validation split: before the graph is built, so without the graph model.

The graph itself recommends: an item scores the sum of its edges to the items of the user's history. Validation
interactions are in no edge of it (see `gnn.held_out_embeddings`). More than ten edges are not tried: direct neighbours
may find more with fifty, but the model, which receives messages from the neighbours' neighbours too, finds less.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from colisten.graph_store.edges import DEFAULT_TOP_K, FILE, build_edges
from colisten.graph_store.pruning import ranked_edges
from colisten.listening.data import ListeningData
from colisten.listening.history_reading import interactions_of, read_histories
from colisten.listening.other_interactions import with_interactions
from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings
from colisten.towers.features.negative_signals import negative_signals
from colisten.towers.linear.model import interaction_matrix
from colisten.towers.selection.ranking_task import RankingTask, Scorer, within_one_standard_error
from colisten.towers.selection.validation_split import MAX_USERS, split_validation

TOP_K_OPTIONS = (DEFAULT_TOP_K, 5)
"""Edges kept per item and edge type; the first of those within one standard error of the best is taken."""


@dataclass(frozen=True)
class TopKChoice:
    """The selected pruning of the graph."""

    options: GraphSettings
    """With `top_k` filled in."""
    ndcg: dict[int, float]
    """Mean of NDCG@10 and NDCG@100 on the validation split, by `top_k`; empty where nothing was tried."""


def choose_top_k(data: ListeningData, settings: Settings, scratch: Path, progress: Progress) -> TopKChoice:
    """The graph's settings with a `top_k`: what is set, or what the validation split selects.

    Costs the edges of the training part of the split, which are made in `scratch` and removed again.
    """
    options = settings.graph
    if options.top_k is not None:
        return TopKChoice(options, {})
    default = TopKChoice(options.model_copy(update={"top_k": DEFAULT_TOP_K}), {})
    if not settings.towers.minutes:
        return default
    everybody, is_target = read_histories(data), data.of_type(settings.target)
    rng = np.random.default_rng(settings.seed)
    split = split_validation(everybody, is_target, data.strong, rng).sample(MAX_USERS, rng)
    if not len(split.users):
        return default
    negative = negative_signals(everybody, data.strong, len(data.signals), len(is_target))
    task = RankingTask.of(split, is_target, data.strong, negative)
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix=".pruning.") as folder:
        known = with_interactions(data, interactions_of(split.train).lazy(), Path(folder))
        widest = options.model_copy(update={"top_k": max(TOP_K_OPTIONS)})
        build_edges(known, widest, known.root, progress)
        edges = ranked_edges(known.root / FILE, settings.target)
    streams = interaction_matrix(split.train.take(split.users), len(is_target), data.strong)
    ndcg = [task.ndcg(_scorer(edges.filter(pl.col("rank") < top_k), streams, task)) for top_k in TOP_K_OPTIONS]
    chosen = TOP_K_OPTIONS[int(within_one_standard_error(np.stack(ndcg)).argmax())]
    means = {top_k: float(found.mean()) for top_k, found in zip(TOP_K_OPTIONS, ndcg, strict=True)}
    return TopKChoice(options.model_copy(update={"top_k": chosen}), means)


def _scorer(edges: pl.DataFrame, streams: csr_array, task: RankingTask) -> Scorer:
    src, dst, weight = (edges[name].to_numpy() for name in ("src", "dst", "weight"))
    places = np.concatenate([src, dst]), np.concatenate([dst, src])
    graph = csr_array((np.concatenate([weight, weight]), places), shape=(streams.shape[1],) * 2)[:, task.candidates]
    return lambda users: (streams[users] @ graph).toarray()
