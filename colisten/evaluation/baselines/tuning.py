"""Grid search for baselines, all on one validation slice cut from the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product, zip_longest
from typing import Any

import numpy as np

from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE
from colisten.evaluation.baselines.hybrid import Hybrid
from colisten.evaluation.baselines.hybrid_tuning import tuned_hybrid
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.slim import SLIM
from colisten.evaluation.baselines.validation_slice import validation_slice
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings

GRIDS: Mapping[str, Mapping[str, Sequence[float]]] = {
    "recent": {"days": (14, 30, 90, 365)},
    "itemknn": {"k": (20, 100, 300), "shrink": (0.0, 20.0)},
    "ease": {"penalty": (30.0, 100.0, 400.0, 1000.0, 4000.0)},
    "slim": {"penalty": (10.0, 50.0, 200.0, 1000.0), "candidates": (100,)},
    "als": {"factors": (64, 128), "alpha": (1.0, 10.0, 40.0)},
    "textknn": {"k": (0, 20, 100)},
}
"""Baseline → parameter → values: every combination is tried. One that is not here has nothing to tune."""

COLLABORATIVE: Mapping[str, type[EASE | SLIM | ItemKNN]] = {"ease": EASE, "slim": SLIM, "itemknn": ItemKNN}
"""What the hybrid adds text and popularity to."""


def tune_baselines(
    baselines: Mapping[str, Baseline], data: ListeningData, settings: Settings, progress: Progress
) -> dict[str, Baseline]:
    """Each baseline with the parameters of its grid that have the best validation NDCG; none of them fitted."""
    with validation_slice(data, settings) as validation:
        if validation is None:
            progress.say("Too little listening to tune baselines by: they keep their default parameters.")
            return dict(baselines)
        grids = {name: _grid(name, baseline) for name, baseline in baselines.items()}
        with progress.task("tuning baselines", total=sum(map(len, grids.values()))) as task:
            best = {}
            for name, grid in grids.items():
                ndcg = []
                for candidate in grid:
                    ndcg.append(float(validation.ndcg(replace(candidate)).mean()) if len(grid) > 1 else 0.0)
                    task.advance(note=name)
                best[name] = grid[int(np.argmax(ndcg))]
        for name, baseline in best.items():
            if isinstance(baseline, Hybrid):
                best[name] = tuned_hybrid(baseline, _models(), validation, progress)
    return best


def _models() -> list[Baseline]:
    """What the hybrid chooses among: the grids of its collaborative models, in turns."""
    grids = [_grid(name, kind()) for name, kind in COLLABORATIVE.items()]
    return [model for of_each in zip_longest(*grids) for model in of_each if model is not None]


def _grid(name: str, baseline: Baseline) -> list[Baseline]:
    grid = GRIDS.get(name, {})
    parameters: list[dict[str, Any]] = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return [replace(baseline, **values) for values in parameters]


def tuned_values(baselines: Mapping[str, Baseline]) -> dict[str, dict[str, float]]:
    """The value of every parameter that is in a baseline's grid, by baseline."""
    return {name: _values(name, one) for name, one in baselines.items()}


def _values(name: str, baseline: Baseline) -> dict[str, float]:
    if isinstance(baseline, Hybrid):
        kind = next(kind for kind, of in COLLABORATIVE.items() if isinstance(baseline.collaborative, of))
        chosen = {f"{kind} {key}": value for key, value in _values(kind, baseline.collaborative).items()}
        return chosen | {"text": baseline.text_weight, "popularity": baseline.popularity_weight}
    return {key: getattr(baseline, key) for key in GRIDS.get(name, {})}
