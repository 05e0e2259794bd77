"""How much each part counts, chosen on validation, apart for warm and cold users; any part may count nothing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from colisten.arrays import Floats
from colisten.towers.parts import scaled, spread_of
from colisten.towers.ranking import LEAST_USERS, Task, not_worse

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The linear part's share against the tower's."""
POPULARITY = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""What popularity counts beside them."""
Weights = dict[str, float]


def choose_weights(
    task: Task, users: Mapping[str, Floats], items: Mapping[str, Floats]
) -> tuple[Weights, Weights, dict[str, dict[str, float]]]:
    """Weights for warm and for cold users, and what validation says of each part alone and of the mix.

    The mean of all weights that validation cannot tell from the best: little data gives a broad compromise.

    Args:
        task: whom to ask, and for what.
        users: per part (`towers`, `popular`, and `linear` where there is one), vectors of the asked users.
        items: per part, vectors of the candidates.
    """
    grid = _grid("linear" in users)
    gains = _gains(task, users, items, grid)
    chosen: list[Weights] = []
    found: dict[str, dict[str, float]] = {}
    for name, segment in (("warm", task.warm), ("cold", ~task.warm)):
        asked = segment if segment.sum() >= LEAST_USERS else np.ones_like(segment)
        chosen.append(_mean([grid[place] for place in np.flatnonzero(not_worse(gains[:, asked]))]))
        alone = {part: grid.index({name: float(name == part) for name in users}) for part in users}
        if segment.any():
            mixed = _gains(task, users, items, chosen[-1:])[0]
            found[name] = {part: float(gains[place, segment].mean()) for part, place in alone.items()}
            found[name]["mix"] = float(mixed[segment].mean())
    return chosen[0], chosen[1], found


def _mean(options: list[Weights]) -> Weights:
    """Each option counts the same, whatever the sum of its weights."""
    totals = [sum(option.values()) for option in options]
    parts = options[0]
    return {
        part: round(sum(o[part] / total for o, total in zip(options, totals, strict=True)) / len(options), 4)
        for part in parts
    }


def _grid(linear: bool) -> list[Weights]:
    shares = SHARES if linear else (0.0,)
    grid = [
        {"towers": 1 - share, "linear": share, "popular": popular} for share, popular in product(shares, POPULARITY)
    ]
    grid.append({"towers": 0.0, "linear": 0.0, "popular": 1.0})
    return [{part: weight for part, weight in weights.items() if linear or part != "linear"} for weights in grid]


def _gains(task: Task, users: Mapping[str, Floats], items: Mapping[str, Floats], grid: list[Weights]) -> Floats:
    """[grid, users]"""
    vectors = {part: scaled(users[part], spread_of(items[part])) for part in users}
    gains = np.empty((len(grid), len(task)), np.float32)
    for some, piece in task.pieces():
        scores = {part: vectors[part][some] @ items[part].T for part in vectors}
        for place, weights in enumerate(grid):
            mixed = np.zeros_like(scores["popular"])
            for part, weight in weights.items():
                mixed += np.float32(weight) * scores[part]
            gains[place, some] = piece.ndcg(mixed)
    return gains
