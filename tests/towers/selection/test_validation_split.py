"""The validation slice: nothing hidden is left to learn from, under any signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.listening.histories import UserHistories
from colisten.listening.history_reading import read_histories
from colisten.listening.pairs import pairs_of
from colisten.towers.selection.ranking_task import RankingTask
from colisten.towers.selection.validation_split import split_validation
from tests.towers import worlds


@pytest.fixture(params=[True, False], ids=["by time", "by pairs"])
def everybody(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[UserHistories, np.ndarray]:
    data, _ = worlds.clustered(tmp_path / "data", timed=request.param)
    return read_histories(data), data.type_of == 0


def test_hidden_pairs_leave_no_trace(everybody: tuple[UserHistories, np.ndarray]) -> None:
    people, is_target = everybody
    split = split_validation(people, is_target, 1, np.random.default_rng(0))
    assert len(split.truth) > 20
    kept = set(zip(split.train.owners.tolist(), split.train.items.tolist(), strict=True))
    hidden = set(zip(split.users[split.truth.users].tolist(), split.truth.items.tolist(), strict=True))
    assert not kept & hidden
    heard = pairs_of(people, 1)
    assert hidden <= set(zip(heard.users.tolist(), heard.items.tolist(), strict=True))
    assert is_target[split.truth.items].all()


@pytest.mark.parametrize("untimed", [0, 5])
def test_with_times_nothing_is_learned_after_the_first_hidden_event(tmp_path: Path, untimed: int) -> None:
    """Nor does the future come back where a few events have no time."""
    data, _ = worlds.clustered(tmp_path / "data", timed=True)
    people = read_histories(data)
    people = replace(people, timestamps=np.where(np.arange(len(people.items)) < untimed, -1, people.timestamps))
    split = split_validation(people, data.type_of == 0, 1, np.random.default_rng(0))
    keys = split.users[split.truth.users] << 32 | split.truth.items
    times = people.timestamps[np.isin(people.owners << 32 | people.items, keys) & (people.signals == 0)]
    assert split.train.timestamps.max() < times.max()
    assert split.train.timestamps.max() <= np.quantile(people.timestamps, 0.92)


def test_without_times_some_users_are_cold_and_keep_the_other_types(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data")
    is_target = data.type_of == 0
    split = split_validation(read_histories(data), is_target, 1, np.random.default_rng(0))
    assert 0 < (~split.warm).sum() < split.warm.sum()
    cold = split.train.take(split.users[~split.warm])
    assert len(cold.items)
    assert not is_target[cold.items].any()


def test_ndcg_against_a_plain_loop(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data")
    people, is_target = read_histories(data), data.type_of == 0
    split = split_validation(people, is_target, 1, np.random.default_rng(0))
    task = RankingTask.of(split, is_target, 1, negative_signals=())
    scores = np.random.default_rng(1).normal(size=(len(split.users), int(is_target.sum()))).astype(np.float32)
    found, _ = task.ranked(scores.copy())
    heard = pairs_of(split.train, 1)
    for place, user in enumerate(split.users):
        wanted = set(split.truth.items[split.truth.users == place])
        gone = set(heard.items[heard.users == user])
        order = [i for i in task.candidates[np.argsort(-scores[place])] if i not in gone]
        ndcg = []
        for cut in (10, 100):
            gain = sum(1 / np.log2(rank + 2) for rank, item in enumerate(order[:cut]) if item in wanted)
            ndcg.append(gain / sum(1 / np.log2(i + 2) for i in range(min(len(wanted), cut))))
        assert found[place] == pytest.approx(np.mean(ndcg))
    pieces = np.concatenate([piece.ranked(scores[some].copy())[0] for some, piece in task.pieces()])
    np.testing.assert_array_equal(pieces, found)
