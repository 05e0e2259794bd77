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

    Of all weights that validation cannot tell from the best, those in which popularity counts most: what is learned has
    to earn its place.

    Args:
        task: whom to ask, and for what.
        users: per part (`towers`, `popular`, and `linear` where there is one), vectors of the asked users.
        items: per part, vectors of the candidates.
    """
    grid = _grid("linear" in users)
    gains = _gains(task, users, items, grid)
    alone = {part: grid.index({name: float(name == part) for name in users}) for part in users}
    chosen: list[Weights] = []
    found: dict[str, dict[str, float]] = {}
    for name, segment in (("warm", task.warm), ("cold", ~task.warm)):
        asked = segment if segment.sum() >= LEAST_USERS else np.ones_like(segment)
        fine = np.flatnonzero(not_worse(gains[:, asked]))
        place = max(fine, key=lambda option: (_popularity(grid[option]), gains[option, asked].mean()))
        chosen.append(grid[place])
        if segment.any():
            found[name] = {part: float(gains[only, segment].mean()) for part, only in alone.items()}
            found[name]["mix"] = float(gains[place, segment].mean())
    return chosen[0], chosen[1], found


def _popularity(weights: Weights) -> float:
    return weights["popular"] / sum(weights.values())


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
