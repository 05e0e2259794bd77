"""Changes are tried on as many pairs as the time is enough for: by a clock that goes by pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colisten.arrays import Floats
from colisten.progress import Progress
from colisten.settings import Settings, TowersSettings
from colisten.towers.inputs import TowerInputs
from colisten.towers.selection import greedy_search, two_tower_search
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.ranking_task import RankingTask
from colisten.towers.selection.two_tower_search import CHANGES, TwoTowerSearch
from colisten.towers.selection.validation_split import split_validation
from colisten.towers.two_tower.examples import UserExamples
from colisten.towers.two_tower.trainer import TwoTowerTrainer
from tests.towers import worlds


class Clock:
    """A second a hundred pairs."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, loss = Clock(), TwoTowerTrainer.loss

    def timed(run: TwoTowerTrainer, examples: UserExamples, pairs: object) -> object:
        clock.seconds += len(pairs) / 100  # type: ignore[arg-type]
        return loss(run, examples, pairs)  # type: ignore[arg-type]

    for module in (two_tower_search, greedy_search):
        monkeypatch.setattr(module, "monotonic", clock)
    monkeypatch.setattr(TwoTowerTrainer, "loss", timed)
    monkeypatch.setattr(two_tower_search, "_LEAST_PAIRS", 50)
    return clock


@pytest.mark.parametrize("enough", [False, True])
def test_changes_are_tried_on_a_sample_where_the_time_is_short(tmp_path: Path, clock: Clock, enough: bool) -> None:
    data, text = worlds.clustered(tmp_path / "data")
    embeddings: Floats = np.random.default_rng(5).normal(size=(len(text), 4)).astype(np.float32)
    towers = TowersSettings(hidden=(16,), dim=8, batch_size=64, epochs=2, learning_rate=1e-2)
    settings, progress = Settings(target="book", towers=towers), Progress(quiet=True)
    inputs = TowerInputs.of(data, text, embeddings, settings)
    split = split_validation(inputs.everybody, inputs.is_target, inputs.strong, np.random.default_rng(0))
    task = RankingTask.of(split, inputs.is_target, inputs.strong, inputs.negative_signals)
    whole = inputs.training_set(split.train, settings, two_tower_search.default_options(towers)).draws
    once = towers.epochs * whole / 100
    search = GreedySearch(20 * once if enough else 3 * once)
    run, _ = TwoTowerSearch(inputs, split, task, None, settings, progress).choose(search)
    assert len(search.tried) == len(CHANGES) - search.left
    assert len(search.tried) >= 3
    assert search.spent <= search.seconds
    assert run.data.settings.pairs_per_epoch == towers.pairs_per_epoch  # what was chosen is trained on all


def test_an_epoch_draws_at_most_so_many_pairs_of_all_users(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", users=400)
    settings = Settings(target="book", towers=TowersSettings(pairs_per_epoch=500))
    inputs = TowerInputs.of(data, text, text, settings)
    options = two_tower_search.default_options(settings.towers)
    bounded = inputs.training_set(inputs.everybody, settings, options)
    free = inputs.training_set(inputs.everybody, Settings(target="book"), options)
    assert free.draws > 1500
    assert bounded.draws in (499, 500)
    np.testing.assert_allclose(bounded.chance, free.chance * (500 / free.chance.sum()), rtol=1e-4)
    np.testing.assert_allclose(bounded.log_q, free.log_q, atol=1e-4)
