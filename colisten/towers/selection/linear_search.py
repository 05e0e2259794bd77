"""Hyper-parameter search of the item–item weights: signals, penalties, factors of other types, candidates per item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from time import monotonic

import numpy as np
from scipy.sparse import csr_array

from colisten.arrays import Bools, Floats
from colisten.progress import Progress
from colisten.towers.linear.candidates import POOL, CandidatePool, candidate_pool
from colisten.towers.linear.interactions import Interactions
from colisten.towers.linear.item_weights import Ridge, item_weights, with_everybody
from colisten.towers.linear.model import ItemInputs, LinearOptions, interaction_matrix
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.ranking_task import OptionResult, RankingTask
from colisten.towers.selection.validation_split import ValidationSplit

PENALTIES, TEXTS = (2000.0, 600.0, 200.0, 60.0, 30.0), (0.0, 0.05, 0.15)
"""The grid of ridges to begin with. It grows by a third of the least or thrice the largest value where that is best."""
_GROWTH = 5
"""At most so many times."""
FACTORS = (0.3, 0.0)
"""What items of another type may count as predictors, instead of 1."""
TYPES_TRIED = 8
"""At most so many item types are tried with other factors."""
SIMPLER, DEARER = 0.0, 0.002
"""Least expected gain, as a share of NDCG, that makes other types count less, or twice as many candidates be taken: the
first makes fitting and answers cheaper, the second dearer."""
USERS_JUDGED = 1 << 27
"""Users × candidates that an option is judged on: a fit is cheap to judge, and more users tell smaller gains apart."""


@dataclass(frozen=True)
class LinearScorer:
    """Scores of the candidates for each asked user, by weights fitted on the training part."""

    interactions: csr_array
    """[users, items + 1]"""
    warm: csr_array
    """[items + 1, candidates]"""
    cold: csr_array
    is_warm: Bools

    def __call__(self, users: slice) -> Floats:
        warm, cold = ((self.interactions[users] @ weights).toarray() for weights in (self.warm, self.cold))
        scores: Floats = np.where(self.is_warm[users, None], warm, cold)
        return scores


@dataclass(frozen=True)
class LinearTrial:
    """Weights fitted under some options, with their validation result."""

    options: LinearOptions
    warm: csr_array
    """[items + 1, candidates]"""
    cold: csr_array
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
    _known: dict[int, tuple[Interactions, CandidatePool]] = field(default_factory=dict)
    """Interactions and candidates, by the number of signals that count."""

    def choose(self, codes: tuple[int, int], search: GreedySearch) -> LinearTrial:
        """Weak signals as history or not (`codes`: strong ones, all), the ridges for warm and for cold users, what
        other item types count, and how many candidates an item is predicted from."""
        began = monotonic()
        tried = [self._best_ridges(signals) for signals in sorted(set(codes))]
        best = max(tried, key=lambda each: float(each.ndcg.mean()))
        for other in set(self._known) - {best.options.signals}:  # a pool takes up to 19 kB an item
            del self._known[other]
        took = (monotonic() - began) / (len(tried) * len(PENALTIES) * len(TEXTS))
        for code in self._other_types():
            for factor in FACTORS:
                change = partial(self._with, factors={code: factor})
                best = search.attempt(best, took, f"weights: {self.types[code]} × {factor:g}", change, SIMPLER)
        while (count := 2 * best.options.candidates) <= min(POOL, len(self.items.is_target)):
            before = best
            change = partial(self._with, candidates=count)
            best = search.attempt(best, took, f"weights: {count} candidates", change, DEARER)
            if best is before:
                break
        return best

    def scorer(self, trial: LinearTrial, split: ValidationSplit) -> LinearScorer:
        """Scores for the users asked in `split`, of the same training part."""
        return LinearScorer(self._asked(trial.options.signals, split), trial.warm, trial.cold, split.warm)

    def _asked(self, signals: int, split: ValidationSplit) -> csr_array:
        """[asked users, items + 1]"""
        asked = split.train.take(split.users)
        return with_everybody(interaction_matrix(asked, len(self.items.is_target), signals))

    def _other_types(self) -> list[int]:
        """Codes of the other types, the most streamed first."""
        events = np.zeros(len(self.types), np.int64)
        for _, some in self.split.train.shards():
            others = some.items[~self.items.is_target[some.items]]
            events += np.bincount(self.items.type_of[others], minlength=len(events))
        count = min(TYPES_TRIED, int(np.count_nonzero(events)))
        order: list[int] = np.argsort(-events, kind="stable")[:count].tolist()
        return order

    def _with(self, best: LinearTrial, factors: dict[int, float] | None = None, candidates: int = 0) -> LinearTrial:
        options = replace(
            best.options,
            factors={**best.options.factors, **(factors or {})},
            candidates=candidates or best.options.candidates,
        )
        ((warm, cold),) = self._fit(options, [options.warm], [options.cold])
        return LinearTrial(options, warm, cold, self._judged(options, [(warm, cold)])[0].ndcg)

    def _best_ridges(self, signals: int) -> LinearTrial:
        """These signals with the best ridges of a grid that grows until the best lies inside."""
        penalties, texts = list(PENALTIES), list(TEXTS)
        ridges: list[Ridge] = []
        fits: list[tuple[csr_array, csr_array]] = []
        results: list[OptionResult] = []
        for _ in range(1 + _GROWTH):
            new = [Ridge(p, t) for t, p in product(texts, penalties) if Ridge(p, t) not in ridges]
            found = self._fit(LinearOptions(signals, new[0], new[0]), new, new)
            ridges, fits = ridges + new, fits + found
            results += self._judged(LinearOptions(signals, new[0], new[0]), found)
            warm, cold = (self.task.best(results, segment) for segment in (True, False))
            if not _grown(penalties, texts, (ridges[warm], ridges[cold])):
                break
        ndcg = np.where(self.split.warm, results[warm].ndcg, results[cold].ndcg)
        options = LinearOptions(signals, ridges[warm], ridges[cold])
        return LinearTrial(options, fits[warm][0], fits[cold][1], ndcg)

    def _judged(self, options: LinearOptions, fits: Sequence[tuple[csr_array, csr_array]]) -> list[OptionResult]:
        interactions = self._asked(options.signals, self.split)
        scorers: list[Callable[[slice], Floats]] = [
            LinearScorer(interactions, warm, cold, self.split.warm) for warm, cold in fits
        ]
        return self.task.judge(lambda users: (each(users) for each in scorers))

    def _fit(
        self, options: LinearOptions, warm: Sequence[Ridge], cold: Sequence[Ridge]
    ) -> list[tuple[csr_array, csr_array]]:
        """Weights [items + 1, candidates] of warm and of cold users, under every pair of ridges."""
        interactions, pool = self._inputs(options.signals)
        fitted = [
            item_weights(interactions, pool.select(options.candidates, factors), ridges, self.progress)
            for factors, ridges in zip(options.of_items(self.items), (warm, cold), strict=True)
        ]
        columns = self.task.candidates
        return [(one[:, columns].tocsr(), other[:, columns].tocsr()) for one, other in zip(*fitted, strict=True)]

    def _inputs(self, signals: int) -> tuple[Interactions, CandidatePool]:
        if signals not in self._known:
            interactions = Interactions.of(self.split.train, len(self.items.is_target), signals)
            pool = candidate_pool(
                interactions,
                self.items.text,
                self.items.near,
                self.task.candidates,
                self.items.is_target,
                self.progress,
            )
            self._known[signals] = interactions, pool
        return self._known[signals]


def _grown(penalties: list[float], texts: list[float], best: Sequence[Ridge]) -> bool:
    """Whether the grid was extended, as some of the best lie at an end of it."""
    before = len(penalties), len(texts)
    for ridge in best:
        if ridge.penalty == max(penalties):
            penalties.append(3 * ridge.penalty)
        if ridge.penalty == min(penalties):
            penalties.append(ridge.penalty / 3)
        if ridge.text == max(texts):
            texts.append(3 * ridge.text)
    return before != (len(penalties), len(texts))


def users_judged(candidates: int, least: int) -> int:
    """How many users a fit is judged on, with so many candidates to rank; at least `least`."""
    return max(least, USERS_JUDGED // max(candidates, 1))
