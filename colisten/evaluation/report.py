"""Evaluation of recommenders side by side on one split: metrics by segment, with bootstrap intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colisten.evaluation.beyond_accuracy import cumulative
from colisten.evaluation.held_out_streams import HeldOutStreams, read_held_out
from colisten.evaluation.intervals import bootstrap, interval, standard_error
from colisten.evaluation.scores import DEPTH, ItemVectors, Scores, score
from colisten.progress import Progress

RecommendFunction = Callable[[Sequence[str], int, str], pl.DataFrame]
"""(user ids, k, item type) → `user_id`, `item_id`, `item_type`, `score`, `rank`."""

DRAWS = 1000
LISTENING = "listening itself"
"""Name of the long-tail curve of the training data."""


@dataclass(frozen=True)
class Frontier:
    """Hits against reach, of one setting of exploration."""

    hits: float
    """HR of all users."""
    tail: float
    """HR of items outside the most streamed fifth."""
    unseen: float
    """HR of items without a stream in training."""
    coverage: float
    """Share of the catalogue in anybody's first 100."""


@dataclass(frozen=True)
class Report:
    """All that `colisten evaluate` reports on one item type."""

    item_type: str
    k: int
    counts: dict[str, int]
    scores: dict[str, Scores]
    seconds: dict[str, float]
    segments: dict[str, Any]
    """Segment → `users`, and per recommender and metric `mean`, `se`, `low`, `high` (95 %, bootstrap over users)."""
    differences: dict[str, Any]
    """The same shape: each further recommender minus the first, paired by user."""
    training_long_tail: list[float]
    """`Scores.long_tail` of the streams in training."""
    values: dict[str, dict[str, float]]
    """Baseline → tuned parameter → its value."""
    frontier: dict[float, Frontier]
    """By exploration; empty where none was asked for."""

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "item_type": self.item_type,
            "k": self.k,
            "counts": self.counts,
            "segments": self.segments,
            "differences": self.differences,
            "lists": {name: found.lists for name, found in self.scores.items()},
            "long_tail": {name: found.long_tail for name, found in self.scores.items()}
            | {LISTENING: self.training_long_tail},
            "faults": {name: asdict(found.faults) for name, found in self.scores.items()},
            "seconds": self.seconds,
            "values": self.values,
            "frontier": {str(rate): asdict(point) for rate, point in self.frontier.items()},
        }


def evaluate(
    split: Path,
    recommenders: Mapping[str, RecommendFunction],
    *,
    k: int = 10,
    seed: int = 7,
    vectors: ItemVectors | None = None,
    values: Mapping[str, dict[str, float]] | None = None,
    explored: Mapping[float, RecommendFunction] | None = None,
    progress: Progress,
) -> list[Report]:
    """Compare `recommenders`, all others with the first one, on every item type that `split` holds out.

    `explored` recommends with more and more exploration: the points of the frontier between hits and reach.

    Raises:
        DataError: the split or a table of recommendations cannot be read.
    """
    parts = read_held_out(split)
    reports = [_report(part, recommenders, k, seed, vectors, progress) for part in parts]
    frontiers = [{rate: _point(part, each, k) for rate, each in (explored or {}).items()} for part in parts]
    return [
        replace(report, values=dict(values or {}), frontier=frontier)
        for report, frontier in zip(reports, frontiers, strict=True)
    ]


def _point(held_out: HeldOutStreams, recommend: RecommendFunction, k: int) -> Frontier:
    found = score(held_out, recommend(held_out.users.to_list(), DEPTH, held_out.item_type), k)
    hits = {name: float(table[f"hr@{k}"].to_numpy().mean()) for name, table in found.accuracy.items()}
    return Frontier(
        hits["all"], hits.get("tail items", 0.0), hits.get("unseen items", 0.0), found.lists[f"coverage@{DEPTH}"]
    )


def _report(
    held_out: HeldOutStreams,
    recommenders: Mapping[str, RecommendFunction],
    k: int,
    seed: int,
    vectors: ItemVectors | None,
    progress: Progress,
) -> Report:
    users = held_out.users.to_list()
    scores: dict[str, Scores] = {}
    seconds: dict[str, float] = {}
    with progress.task(f"evaluating {held_out.item_type}", total=len(recommenders)) as task:
        for name, recommend in recommenders.items():
            start = time.perf_counter()
            scores[name] = score(held_out, recommend(users, DEPTH, held_out.item_type), k, vectors)
            seconds[name] = round(time.perf_counter() - start, 3)
            for sentence in scores[name].faults.sentences():
                progress.say(f"{name}: {sentence}")
            task.advance(note=name)
    segments, differences = _compare(scores, seed)
    counts = {
        "users": len(users),
        "pairs": len(held_out.pairs),
        "catalogue": len(held_out.catalogue),
        "training_listeners": held_out.listeners,
    }
    long_tail = cumulative(held_out.catalogue["listeners"].sort(descending=True))
    return Report(held_out.item_type, k, counts, scores, seconds, segments, differences, long_tail, {}, {})


def _compare(scores: Mapping[str, Scores], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    names = list(scores)
    segments: dict[str, Any] = {}
    differences: dict[str, Any] = {}
    for segment, table in scores[names[0]].accuracy.items():
        metrics = table.columns[1:]
        values = np.stack([scores[name].accuracy[segment].select(metrics).to_numpy() for name in names], axis=1)
        draws = bootstrap(values.reshape(len(table), -1), DRAWS, np.random.default_rng(seed))
        means = draws.reshape(DRAWS, len(names), len(metrics))
        segments[segment] = {"users": len(table)} | {
            name: _figures(values[:, i], means[:, i], metrics) for i, name in enumerate(names)
        }
        differences[segment] = {
            name: _figures(values[:, i] - values[:, 0], means[:, i] - means[:, 0], metrics)
            for i, name in enumerate(names)
            if i
        }
    return segments, differences


def _figures(values: Any, means: Any, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
    columns = (values.mean(axis=0), standard_error(values), *interval(means))
    names = ("mean", "se", "low", "high")
    return {
        metric: {name: round(float(column[i]), 6) for name, column in zip(names, columns, strict=True)}
        for i, metric in enumerate(metrics)
    }
