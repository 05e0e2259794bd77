"""Selection of `graph.top_k` and `graph.shrinkage` on the validation split: before the graph is built, so without the
graph model.

The graph itself recommends: an item scores the sum of its edges to the items of the user's history. Validation
interactions are in no edge of it (see `gnn.held_out_embeddings`). More than ten edges are not tried: direct neighbours
may find more with fifty, but the model, which receives messages from the neighbours' neighbours too, finds less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from colisten.arrays import Bools
from colisten.graph_store.edges import DEFAULT_SHRINKAGE, DEFAULT_TOP_K
from colisten.graph_store.strongest_pairs import items_by_place, write_strongest_pairs
from colisten.listening.data import ListeningData
from colisten.listening.history_reading import read_histories
from colisten.listening.other_interactions import with_histories
from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings
from colisten.towers.features.negative_signals import negative_signals
from colisten.towers.linear.model import interaction_matrix
from colisten.towers.selection.ranking_task import RankingTask, Scorer, within_one_standard_error
from colisten.towers.selection.validation_split import MAX_USERS, split_validation
from colisten.workdir import draft_folder

TOP_K_OPTIONS = (DEFAULT_TOP_K, 5)
SHRINKAGE_OPTIONS = (DEFAULT_SHRINKAGE, 20.0, 0.0)


class Pruning(NamedTuple):
    """How many edges are kept of an item and edge type, and by what weights."""

    top_k: int
    shrinkage: float


@dataclass(frozen=True)
class PruningChoice:
    """The selected pruning of the graph."""

    options: GraphSettings
    """With `top_k` and `shrinkage` filled in."""
    ndcg: Mapping[Pruning, float]
    """Mean of NDCG@10 and NDCG@100 on the validation split of each pruning tried; empty where nothing was."""


def choose_pruning(data: ListeningData, settings: Settings, scratch: Path, progress: Progress) -> PruningChoice:
    """The graph's settings with `top_k` and `shrinkage`: what is set, and else what the validation split selects.

    The first of the prunings within one standard error of the best is taken. Costs the strongest pairs of the training
    part of the split, whose listeners are counted once; they are made in `scratch` and removed again.
    """
    options = settings.graph
    tried = _to_try(options)
    default = PruningChoice(options.model_copy(update=tried[0]._asdict()), {})
    if len(tried) == 1 or not settings.towers.minutes:
        return default
    everybody, is_target = read_histories(data), data.of_type(settings.target)
    rng = np.random.default_rng(settings.seed)
    split = split_validation(everybody, is_target, data.strong, rng).sample(MAX_USERS, rng)
    if not len(split.users):
        return default
    negative = negative_signals(everybody, data.strong, len(data.signals), len(is_target))
    task = RankingTask.of(split, is_target, data.strong, negative)
    streams = interaction_matrix(split.train.take(split.users), len(is_target), data.strong)
    with draft_folder(scratch, "pruning") as folder:
        known = with_histories(data, split.train, folder)
        graphs = _graphs(known, options, tried, is_target, progress)
        ndcg = [task.ndcg(_scorer(graph, streams, task)) for graph in graphs]
    chosen = tried[int(within_one_standard_error(np.stack(ndcg)).argmax())]
    means = {pruning: float(found.mean()) for pruning, found in zip(tried, ndcg, strict=True)}
    return PruningChoice(options.model_copy(update=chosen._asdict()), means)


def _to_try(options: GraphSettings) -> list[Pruning]:
    """What is set stays; where all edges are kept, so does the default shrinkage."""
    top_ks = TOP_K_OPTIONS if options.top_k is None else (options.top_k,)
    shrinkages = SHRINKAGE_OPTIONS if options.shrinkage is None else (options.shrinkage,)
    tried = [Pruning(top_k, shrinkage) for top_k, shrinkage in product(top_ks, shrinkages)]
    return tried if options.top_k != 0 else tried[:1]


def _graphs(
    data: ListeningData, options: GraphSettings, prunings: Sequence[Pruning], is_target: Bools, progress: Progress
) -> Iterator[csr_array]:
    """The weights [items, items] of each pruning's edges, of those that an item of the target type is an end of."""
    shrinkages = list(dict.fromkeys(pruning.shrinkage for pruning in prunings))
    file, items = data.root / "pairs.parquet", items_by_place(data)
    write_strongest_pairs(data, options, max(pruning.top_k for pruning in prunings), shrinkages, file, progress)
    for top_k, shrinkage in prunings:
        kept = (pl.col("shrinkage") == shrinkages.index(shrinkage)) & (pl.col("rank") < top_k)
        pairs = pl.scan_parquet(file, glob=False).filter(kept).select("node", "neighbour", "weight").collect()
        src, dst = (items[pairs[end].to_numpy()] for end in ("node", "neighbour"))
        touching = is_target[src] | is_target[dst]
        ends = src[touching], dst[touching]
        one_way = csr_array((pairs["weight"].to_numpy()[touching], ends), shape=(len(is_target),) * 2)
        yield one_way.maximum(one_way.T)


def _scorer(graph: csr_array, streams: csr_array, task: RankingTask) -> Scorer:
    toward = graph[:, task.candidates]
    return lambda users: (streams[users] @ toward).toarray()
