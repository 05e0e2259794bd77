"""The validation slice: nothing hidden is left to learn from, under any signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.towers.holdout import hold_out
from colisten.towers.listeners import Listeners
from colisten.towers.pairs import pairs_of
from colisten.towers.ranking import Task
from colisten.towers.reading import listeners_of

from . import worlds


@pytest.fixture(params=[True, False], ids=["by time", "by pairs"])
def everybody(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Listeners, np.ndarray]:
    data, _ = worlds.clustered(tmp_path / "data", timed=request.param)
    return listeners_of(data), data.type_of == 0


def test_hidden_pairs_leave_no_trace(everybody: tuple[Listeners, np.ndarray]) -> None:
    people, is_target = everybody
    held = hold_out(people, is_target, 1, np.random.default_rng(0))
    assert len(held.truth) > 20
    kept = set(zip(held.kept.owners.tolist(), held.kept.items.tolist(), strict=True))
    hidden = set(zip(held.users[held.truth.users].tolist(), held.truth.items.tolist(), strict=True))
    assert not kept & hidden
    heard = pairs_of(people, 1)
    assert hidden <= set(zip(heard.users.tolist(), heard.items.tolist(), strict=True))
    assert is_target[held.truth.items].all()


@pytest.mark.parametrize("untimed", [0, 5])
def test_with_times_nothing_is_learned_after_the_first_hidden_event(tmp_path: Path, untimed: int) -> None:
    """Nor does the future come back where a few events have no time."""
    data, _ = worlds.clustered(tmp_path / "data", timed=True)
    people = listeners_of(data)
    people = replace(people, timestamps=np.where(np.arange(len(people.items)) < untimed, -1, people.timestamps))
    held = hold_out(people, data.type_of == 0, 1, np.random.default_rng(0))
    keys = held.users[held.truth.users] << 32 | held.truth.items
    times = people.timestamps[np.isin(people.owners << 32 | people.items, keys) & (people.signals == 0)]
    assert held.kept.timestamps.max() < times.max()
    assert held.kept.timestamps.max() <= np.quantile(people.timestamps, 0.92)


def test_without_times_some_users_are_cold_and_keep_the_other_types(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data")
    is_target = data.type_of == 0
    held = hold_out(listeners_of(data), is_target, 1, np.random.default_rng(0))
    assert 0 < (~held.warm).sum() < held.warm.sum()
    cold = held.kept.take(held.users[~held.warm])
    assert len(cold.items)
    assert not is_target[cold.items].any()


def test_ndcg_against_a_plain_loop(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data")
    people, is_target = listeners_of(data), data.type_of == 0
    held = hold_out(people, is_target, 1, np.random.default_rng(0))
    task = Task.of(held, is_target, 1, ruled_out=())
    scores = np.random.default_rng(1).normal(size=(len(held.users), int(is_target.sum()))).astype(np.float32)
    found, _ = task.ranked(scores.copy())
    heard = pairs_of(held.kept, 1)
    for place, user in enumerate(held.users):
        wanted = set(held.truth.items[held.truth.users == place])
        gone = set(heard.items[heard.users == user])
        order = [i for i in task.candidates[np.argsort(-scores[place])] if i not in gone]
        gains = []
        for cut in (10, 100):
            gain = sum(1 / np.log2(rank + 2) for rank, item in enumerate(order[:cut]) if item in wanted)
            gains.append(gain / sum(1 / np.log2(i + 2) for i in range(min(len(wanted), cut))))
        assert found[place] == pytest.approx(np.mean(gains))
    pieces = np.concatenate([piece.ranked(scores[some].copy())[0] for some, piece in task.pieces()])
    np.testing.assert_array_equal(pieces, found)
