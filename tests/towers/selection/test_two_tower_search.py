"""Changes are tried on as many pairs as the time is enough for: by a clock that goes by pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.arrays import Floats
from colisten.listening.pairs import pairs_of
from colisten.progress import Progress
from colisten.settings import Settings, TowersSettings
from colisten.towers.inputs import TowerInputs
from colisten.towers.selection import greedy_search, two_tower_search
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.ranking_task import RankingTask
from colisten.towers.selection.two_tower_search import TwoTowerSearch
from colisten.towers.selection.validation_split import split_validation
from colisten.towers.two_tower.examples import UserExamples
from colisten.towers.two_tower.trainer import TrainingOptions, TwoTowerTrainer
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
    trials = search_of(tmp_path, epochs=2)
    towers = trials.data.settings
    once = towers.epochs * trials.data.draws / 100
    search = GreedySearch(20 * once if enough else 3 * once)
    found, _ = trials.choose(search)
    assert len(search.tried) >= 3
    assert search.spent <= search.seconds
    assert found.run.data.settings.pairs_per_epoch == towers.pairs_per_epoch  # what was chosen is trained on all


def search_of(folder: Path, epochs: int, timed: bool = False) -> TwoTowerSearch:
    listening, text = worlds.clustered(folder / "data", timed=timed)
    embeddings: Floats = np.random.default_rng(5).normal(size=(len(text), 4)).astype(np.float32)
    towers = TowersSettings(hidden=(16,), dim=8, batch_size=64, epochs=epochs, learning_rate=1e-2)
    settings = Settings(target="book", towers=towers)
    inputs = TowerInputs.of(listening, text, embeddings, settings)
    split = split_validation(inputs.everybody, inputs.is_target, inputs.strong, np.random.default_rng(0))
    task = RankingTask.of(split, inputs.is_target, inputs.strong, inputs.negative_signals)
    data = inputs.training_set(split.train, settings, TrainingOptions())
    return TwoTowerSearch(data, split.train.take(split.users), task, None, settings.seed, Progress(quiet=True))


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(
    ("kept", "tried"),
    [
        ([], ["temperature 0.14", "other_types 0"]),
        (["temperature 0.07"], ["temperature 0.05", "other_types 0"]),
        (["other_types 3"], ["temperature 0.14"]),
    ],
)
def test_steps_go_on_where_they_gain_and_turn_where_they_do_not(
    tmp_path: Path, kept: list[str], tried: list[str], timed: bool
) -> None:
    search, trials = GreedySearch(60, kept=kept), search_of(tmp_path, epochs=1, timed=timed)
    first = ["temperature 0.07", "other_types 3", *(["history_half_life 30"] if timed else [])]
    assert [name for name, _ in trials._changes(search)] == first + tried


@pytest.mark.parametrize(("ahead", "epochs"), [(0.1, 2), (0.0, 4)])
def test_a_change_that_is_surely_behind_is_given_up_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, epochs: int
) -> None:
    trials, epoch, ran = search_of(tmp_path, epochs=4), TwoTowerTrainer.epoch, []

    def counted(run: TwoTowerTrainer, progress: Progress, title: str) -> float:
        ran.append(run)
        return epoch(run, progress, title)

    monkeypatch.setattr(TwoTowerTrainer, "epoch", counted)
    start = trials._train_new(trials.data)
    rival = replace(start, half_way=start.half_way + ahead)
    same = trials._otherwise("temperature", start.run.data.training_options.temperature, rival)
    assert (ran.count(start.run), ran.count(same.run)) == (4, epochs)
    np.testing.assert_array_equal(same.half_way, start.half_way)


def test_an_epoch_draws_at_most_so_many_pairs_of_all_users(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", users=400)
    settings = Settings(target="book", towers=TowersSettings(pairs_per_epoch=500))
    inputs = TowerInputs.of(data, text, text, settings)
    options = two_tower_search.default_options(settings.towers)
    bounded = inputs.training_set(inputs.everybody, settings, options)
    free = inputs.training_set(inputs.everybody, Settings(target="book"), options)
    assert free.draws > 1500
    assert bounded.draws in (499, 500)
    few, all_of_them = bounded.pair_draws.expected, free.pair_draws.expected
    np.testing.assert_allclose(few, all_of_them * (500 / all_of_them.sum()), rtol=1e-4)
    np.testing.assert_allclose(bounded.log_q, free.log_q, atol=1e-4)


def test_only_the_histories_of_those_who_are_drawn_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = search_of(tmp_path, epochs=1)
    monkeypatch.setattr("colisten.towers.two_tower.trainer._EVENT_BYTES", 1 << 15)
    data = replace(trials.data, settings=trials.data.settings.model_copy(update={"cache_mb": 1}))
    pairs = pairs_of(data.histories, data.features.bags.strong)
    draw = pairs.where(np.arange(0, len(pairs), 40))
    shards = list(data.shards(draw))
    assert len(shards) > 1
    assert sum(len(examples.histories) for examples, _ in shards) == len(np.unique(draw.users))
    assert np.concatenate([pairs.items for _, pairs in shards]).tolist() == draw.items.tolist()
    for examples, pairs in shards:
        assert np.isin(pairs.keys, examples.histories.keys).all()
