"""How fast the past fades: the half-life of what follows what, by validation, or that order says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from colisten.arrays import Floats
from colisten.towers.selection.greedy_search import COST
from colisten.towers.selection.mixing import standardised
from colisten.towers.selection.ranking_task import OptionResult, RankingTask, Scorer, expected_gain

HALF_LIVES = (1.0, 2.0, 4.0)
"""In items: the grid to begin with. It grows by half the least or twice the largest where that is best."""
_GROWTH = 3
"""At most so many times."""
WEIGHTS = (0.05, 0.2, 0.6)
"""What order may count beside the rest."""


def choose_half_life(task: RankingTask, beside: Scorer, made: Callable[[float], Scorer]) -> float | None:
    """The best half-life, or None where nothing gains as much as it costs to look the rows up.

    Args:
        task: the validation task.
        beside: the mix of all other parts.
        made: gives the scores by what follows what, of a half-life.
    """
    before = task.ndcg(beside)
    found: dict[float, OptionResult] = {}
    new: Sequence[float] = HALF_LIVES
    for _ in range(1 + _GROWTH):
        found |= _judged(task, beside, {half_life: made(half_life) for half_life in new})
        best = max(found, key=lambda half_life: float(found[half_life].ndcg.mean()))
        new = [half_life for half_life in (best / 2, best * 2) if not min(found) <= half_life <= max(found)]
        if not new:
            break
    return best if expected_gain(found[best].ndcg, before) > COST * float(before.mean()) else None


def _judged(task: RankingTask, beside: Scorer, scorers: dict[float, Scorer]) -> dict[float, OptionResult]:
    """Each at its best weight."""

    def options(users: slice) -> Iterator[Floats]:
        rest = beside(users)
        for scorer in scorers.values():
            scores = standardised(scorer(users))
            yield from (rest + np.float32(weight) * scores for weight in WEIGHTS)

    results = task.judge(options)
    of_each = [results[first : first + len(WEIGHTS)] for first in range(0, len(results), len(WEIGHTS))]
    best = (max(of_one, key=lambda result: float(result.ndcg.mean())) for of_one in of_each)
    return dict(zip(scorers, best, strict=True))
