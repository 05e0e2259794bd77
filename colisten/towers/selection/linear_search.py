"""Hyper-parameter search of the item–item weights: penalties, weak signals, predictor item types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

import numpy as np
from scipy.sparse import csc_array, csr_array

from colisten.arrays import Bools, Floats
from colisten.progress import Progress
from colisten.towers.linear.item_weights import Ridge, item_weights, with_everybody
from colisten.towers.linear.model import ItemInputs, LinearOptions, RegressionInputs
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.ranking_task import RankingTask
from colisten.towers.selection.validation_split import ValidationSplit

RIDGES = tuple(Ridge(penalty, text) for text in (0.0, 0.05, 0.15) for penalty in (2000.0, 600.0, 200.0, 60.0, 30.0))
"""The grid of penalties."""
TYPES_TRIED = 8
"""At most so many item types are tried to be left out."""


@dataclass(frozen=True)
class LinearScorer:
    """Scores of the candidates for each asked user, by weights fitted on the training part."""

    interactions: csr_array
    """[users, items + 1]"""
    warm: csc_array
    """[items + 1, candidates]"""
    cold: csc_array
    is_warm: Bools

    def __call__(self, users: slice) -> Floats:
        warm, cold = ((self.interactions[users] @ weights).toarray() for weights in (self.warm, self.cold))
        scores: Floats = np.where(self.is_warm[users, None], warm, cold)
        return scores


@dataclass(frozen=True)
class LinearTrial:
    """Weights fitted under some options, with their validation result."""

    options: LinearOptions
    scores: LinearScorer
    ndcg: Floats
    """[asked users]"""


@dataclass(frozen=True)
class LinearSearch:
    """Weights of the target's items, fitted on the training part."""

    split: ValidationSplit
    task: RankingTask
    items: ItemInputs
    types: tuple[str, ...]
    """Names of the item types."""
    progress: Progress

    def choose(self, codes: tuple[int, int], search: GreedySearch) -> tuple[LinearOptions, LinearScorer]:
        """Weak signals as history or not (`codes`: strong ones, all), the ridges for warm and for cold users, and the
        item types to leave out of the history."""
        began = monotonic()
        tried = [self._best(signals) for signals in sorted(set(codes))]
        best = max(tried, key=lambda each: float(each.ndcg.mean()))
        found = search.best(best, (monotonic() - began) / len(tried), self._changes())
        return found.options, found.scores

    def _changes(self) -> Iterator[tuple[str, Callable[[LinearTrial], LinearTrial]]]:
        """Leaving out each of the other types, the most streamed first."""
        of_others = self.items.type_of[self.split.train.items[~self.items.is_target[self.split.train.items]]]
        events = np.bincount(of_others, minlength=len(self.types))
        for code in np.argsort(-events, kind="stable")[: min(TYPES_TRIED, np.count_nonzero(events))].tolist():
            yield f"weights without {self.types[code]}", partial(self._without, code)

    def _without(self, code: int, best: LinearTrial) -> LinearTrial:
        options = replace(best.options, without=(*best.options.without, code))
        (scores,) = self._scores(options.signals, options.without, [options.warm], [options.cold])
        return LinearTrial(options, scores, self.task.ndcg(scores))

    def _best(self, signals: int) -> LinearTrial:
        """These signals with their best ridges."""
        scores = self._scores(signals, (), RIDGES, RIDGES)
        results = self.task.judge(lambda users: (each(users) for each in scores))
        warm, cold = (self.task.best(results, segment) for segment in (True, False))
        ndcg = np.where(self.split.warm, results[warm].ndcg, results[cold].ndcg)
        options = LinearOptions(signals, RIDGES[warm], RIDGES[cold])
        return LinearTrial(options, replace(scores[warm], cold=scores[cold].cold), ndcg)

    def _scores(
        self, signals: int, without: tuple[int, ...], warm: Sequence[Ridge], cold: Sequence[Ridge]
    ) -> list[LinearScorer]:
        """Scores under every pair of ridges."""
        columns = self.task.candidates
        given = RegressionInputs.of(self.split.train, self.items, signals, without, columns, self.progress)
        interactions = with_everybody(given.interactions)[self.split.users]
        tried = ((given.warm, warm), (given.cold, cold))
        both = (item_weights(given.interactions, near, ridges, self.progress) for near, ridges in tried)
        return [
            LinearScorer(interactions, warm[:, columns], cold[:, columns], self.split.warm)
            for warm, cold in zip(*both, strict=True)
        ]
