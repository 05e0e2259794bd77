"""The part of the training data that baselines are tuned on: that of Colisten's own model selection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.listening.data import ListeningData
from colisten.listening.history_reading import read_histories
from colisten.listening.other_interactions import with_histories
from colisten.settings import Settings
from colisten.towers.selection.ranking_task import RankingTask
from colisten.towers.selection.validation_split import MAX_USERS, split_validation
from colisten.workdir import draft_folder


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
        train = with_histories(data, split.train, scratch)
        yield ValidationSlice(train, split.users, RankingTask.of(split, is_target, data.strong, ()))
