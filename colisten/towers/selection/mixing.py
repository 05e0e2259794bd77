"""Mixing weights of the parts (late fusion), chosen on validation, apart for warm and cold users; any may be zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from colisten.arrays import Floats
from colisten.towers.selection.ranking_task import RankingTask, Scorer

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The linear part's share against the tower's."""
POPULARITY = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""What popularity counts beside them."""
WEAK_SIGNALS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""What the user's own weak signals count beside all of them. Few items have any, so that one's score is many times its
spread over all."""
Weights = dict[str, float]


def choose_weights(
    task: RankingTask, parts: Mapping[str, Scorer]
) -> tuple[Weights, Weights, dict[str, dict[str, float]]]:
    """Weights for warm and for cold users, with the validation result of each part alone and of the mix.

    Args:
        task: asked users, candidates and held-out pairs.
        parts: the scores of each (`towers`, `linear`, `popular`, `weak_signals`, or some of them).
    """
    grid = _grid(parts)
    results = task.judge(lambda users: mixed(parts, grid, users))
    if "weak_signals" in parts:
        best = [grid[task.best(results, segment)] for segment in (True, False)]
        further = [mix | {"weak_signals": weight} for mix in best for weight in WEAK_SIGNALS[1:]]
        further.append(_alone("weak_signals", parts))  # shown, but not to be chosen: it says nothing of most items
        results += task.judge(lambda users: mixed(parts, further, users))
        grid += further
    eligible = results[:-1] if "weak_signals" in parts else results
    chosen: list[Weights] = []
    found: dict[str, dict[str, float]] = {}
    for name, segment in (("warm", True), ("cold", False)):
        place = task.best(eligible, segment)
        chosen.append(grid[place])
        asked = task.warm == segment
        if asked.any():
            alone = {part: grid.index(_alone(part, parts)) for part in parts}
            options = alone | {"mix": place}
            found[name] = {part: float(results[option].ndcg[asked].mean()) for part, option in options.items()}
    return chosen[0], chosen[1], found


def _alone(part: str, parts: Mapping[str, Scorer]) -> Weights:
    return {each: float(each == part) for each in parts}


def _grid(parts: Mapping[str, Scorer]) -> list[Weights]:
    """Distinct options over the parts there are, not all of them nothing; weak signals count nothing yet."""
    options = [(1 - share, share, popular) for share, popular in product(SHARES, POPULARITY)]
    options.append((0.0, 0.0, 1.0))
    named = [dict(zip(("towers", "linear", "popular"), option, strict=True)) for option in options]
    kept = [tuple((part, weights.get(part, 0.0)) for part in parts) for weights in named]
    return [dict(option) for option in dict.fromkeys(kept) if any(weight for _, weight in option)]


def mixed(parts: Mapping[str, Scorer], grid: list[Weights], users: slice) -> Iterator[Floats]:
    """The scores of each option in turn; those of the parts are computed once."""
    scores = {part: _standardised(score(users)) for part, score in parts.items()}
    for weights in grid:
        total = np.zeros_like(next(iter(scores.values())))
        for part, weight in weights.items():
            if weight:
                total += np.float32(weight) * scores[part]
        yield total


def _standardised(scores: Floats) -> Floats:
    """Each user's scores with variance 1, as `parts.scaled` makes them; all zero where they do not vary."""
    spread = scores.std(axis=1, keepdims=True)
    return np.where(spread > 1e-5, scores / np.maximum(spread, 1e-6), 0).astype(np.float32)
