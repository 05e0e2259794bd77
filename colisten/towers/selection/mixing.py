"""Mixing weights of the parts (late fusion), chosen on validation, apart for warm and cold users; any may be zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import numpy as np

from colisten.arrays import Floats
from colisten.towers.selection.ranking_task import OptionResult, RankingTask, Scorer

SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The linear part's share against the tower's. In a large catalogue few items have weights from a history, and their
scores are many times the spread over all."""
DEMAND = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.2, 1.6)
"""What demand counts beside them."""
FURTHER = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""What a relation of the graph or the user's own weak signals count beside all of them. Few items have any, so that
one's score is many times its spread over all."""
GRID = ("towers", "linear", "demand")
"""Parts that say something of every item, weighed together first; the others are added one after the other."""
_ROUNDS = 2
Weights = dict[str, float]


def choose_weights(
    task: RankingTask, parts: Mapping[str, Scorer]
) -> tuple[Weights, Weights, dict[str, dict[str, float]]]:
    """Weights for warm and for cold users, with the validation result of each part alone and of the mix.

    Args:
        task: asked users, candidates and held-out pairs.
        parts: the scores of each: some of `GRID`, and further ones.
    """
    mixes = Mixes(task, parts)
    mixes.judge(_grid(parts))
    further = [part for part in parts if part not in GRID]
    for _ in range(_ROUNDS):  # one after the other, beside the best so far
        mixes.judge(mix | _only(parts, towers=1 - share, linear=share) for mix in mixes.best() for share in SHARES)
        mixes.judge(mix | _only(parts, demand=weight) for mix in mixes.best() for weight in DEMAND)
        for part in further:
            mixes.judge(mix | {part: weight} for mix in mixes.best() for weight in FURTHER)
    warm, cold = mixes.best()
    alone = {part: {each: float(each == part) for each in parts} for part in parts}
    mixes.judge(alone.values())
    found: dict[str, dict[str, float]] = {}
    for name, segment, chosen in (("warm", True, warm), ("cold", False, cold)):
        asked = task.warm == segment
        if asked.any():
            options = alone | {"mix": chosen}
            found[name] = {part: float(mixes.result(weights).ndcg[asked].mean()) for part, weights in options.items()}
    return warm, cold, found


class Mixes:
    """Mixes that were judged on validation, each once."""

    def __init__(self, task: RankingTask, parts: Mapping[str, Scorer]) -> None:
        self._task = task
        self._parts = parts
        self._results: dict[tuple[float, ...], OptionResult] = {}

    def judge(self, options: Iterable[Weights]) -> None:
        """Judge those that were not yet; of a mix of nothing there is no result."""
        keys = dict.fromkeys(tuple(option[part] for part in self._parts) for option in options)
        new = [key for key in keys if key not in self._results and any(key)]
        weights = [dict(zip(self._parts, key, strict=True)) for key in new]
        if new:
            results = self._task.judge(lambda users: mixed(self._parts, weights, users))
            self._results |= dict(zip(new, results, strict=True))

    def best(self) -> tuple[Weights, Weights]:
        """For warm and for cold users; further parts alone say nothing of most items, and are not eligible."""
        dense = [place for place, part in enumerate(self._parts) if part in GRID]
        eligible = [key for key in self._results if any(key[place] for place in dense)]
        results = [self._results[key] for key in eligible]
        warm, cold = (eligible[self._task.best(results, segment)] for segment in (True, False))
        return dict(zip(self._parts, warm, strict=True)), dict(zip(self._parts, cold, strict=True))

    def result(self, weights: Weights) -> OptionResult:
        """Of a mix that was judged."""
        return self._results[tuple(weights[part] for part in self._parts)]


def _grid(parts: Mapping[str, Scorer]) -> Iterator[Weights]:
    """Options over the parts there are, every other weight; further parts count nothing yet."""
    for share, demand in product(SHARES[::2], DEMAND[::2]):
        yield dict.fromkeys(parts, 0.0) | _only(parts, towers=1 - share, linear=share, demand=demand)
    yield dict.fromkeys(parts, 0.0) | _only(parts, demand=1.0)


def _only(parts: Mapping[str, Scorer], **weights: float) -> Weights:
    """The weights of those parts that there are."""
    return {part: weight for part, weight in weights.items() if part in parts}


def mixed(parts: Mapping[str, Scorer], grid: list[Weights], users: slice) -> Iterator[Floats]:
    """The scores of each option in turn; those of the parts are computed once."""
    scores = {part: standardised(score(users)) for part, score in parts.items()}
    for weights in grid:
        total = np.zeros_like(next(iter(scores.values())))
        for part, weight in weights.items():
            if weight:
                total += np.float32(weight) * scores[part]
        yield total


def mix_scorer(task: RankingTask, parts: Mapping[str, Scorer], warm: Weights, cold: Weights) -> Scorer:
    """The mix of warm users for those, and the one of cold users for the others."""

    def scores(users: slice) -> Floats:
        of_warm, of_cold = mixed(parts, [warm, cold], users)
        return np.where(task.warm[users, None], of_warm, of_cold)

    return scores


def standardised(scores: Floats) -> Floats:
    """Each user's scores with variance 1, as `Spread.scale` makes them; all zero where they do not vary."""
    spread = scores.std(axis=1, keepdims=True)
    return np.where(spread > 1e-5, scores / np.maximum(spread, 1e-6), 0).astype(np.float32)
