"""Grid search for baselines, all on one validation slice cut from the training data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.listening.data import ListeningData
from colisten.listening.history_reading import interactions_of, read_histories
from colisten.listening.other_interactions import with_interactions
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.selection.ranking_task import RankingTask
from colisten.towers.selection.validation_split import MAX_USERS, split_validation
from colisten.workdir import draft_folder

GRIDS: Mapping[str, Mapping[str, Sequence[float]]] = {
    "recent": {"days": (14, 30, 90, 365)},
    "itemknn": {"k": (20, 100, 300), "shrink": (0.0, 20.0)},
    "ease": {"penalty": (30.0, 100.0, 400.0, 1000.0, 4000.0)},
    "slim": {"penalty": (10.0, 50.0, 200.0, 1000.0), "candidates": (100,)},
    "als": {"factors": (64, 128), "alpha": (1.0, 10.0, 40.0)},
    "textknn": {"k": (0, 20, 100)},
}
"""Baseline → parameter → values: every combination is tried. One that is not here has nothing to tune."""


@dataclass(frozen=True)
class ValidationSlice:
    """A part of the training data to learn from, and streams hidden from it to validate on."""

    data: ListeningData
    users: Int64s
    """[n] users with hidden streams."""
    task: RankingTask

    def ndcg(self, baseline: Baseline) -> Floats:
        """Mean of NDCG@10 and NDCG@100 of each user, float32 [n], by a baseline that is fitted here."""
        baseline.fit(self.data)
        candidates = self.task.candidates
        return self.task.ndcg(lambda some: np.array(baseline.scores(self.users[some], candidates), np.float32))


@contextmanager
def validation_slice(data: ListeningData, settings: Settings) -> Iterator[ValidationSlice | None]:
    """Hide the streams that a run's own model selection is validated on; None where nothing can be hidden.

    The slice lies in a temporary folder, which lives as long as the block.
    """
    histories, is_target = read_histories(data, values=True), data.of_type(settings.target)
    rng = np.random.default_rng(settings.seed)
    split = split_validation(histories, is_target, data.strong, rng).sample(MAX_USERS, rng)
    if not len(split.users):
        yield None
        return
    with draft_folder(data.root.parent, "validation") as scratch:
        events = interactions_of(split.train).with_columns(value=split.train.values)
        train = with_interactions(data, events.lazy(), scratch)
        yield ValidationSlice(train, split.users, RankingTask.of(split, is_target, data.strong, ()))


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
    return best


def _grid(name: str, baseline: Baseline) -> list[Baseline]:
    grid = GRIDS.get(name, {})
    parameters: list[dict[str, Any]] = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return [replace(baseline, **values) for values in parameters]


def tuned_values(baselines: Mapping[str, Baseline]) -> dict[str, dict[str, float]]:
    """The value of every parameter that is in a baseline's grid, by baseline."""
    return {name: {key: getattr(one, key) for key in GRIDS.get(name, {})} for name, one in baselines.items()}
