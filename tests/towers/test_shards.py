"""Histories are read shard by shard: what comes out is the same, and memory does not grow with them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from colisten.errors import WorkdirError
from colisten.listening import histories as module
from colisten.listening.histories import UserHistories
from colisten.listening.history_reading import INTERACTIONS, read_histories
from colisten.listening.other_interactions import with_histories
from colisten.listening.pairs import listeners
from colisten.towers.demand.as_of import AsOf, ItemFacts
from colisten.towers.demand.forecast import log_demand
from colisten.towers.features.negative_signals import negative_signals
from colisten.towers.linear.interactions import Interactions
from colisten.towers.linear.model import interaction_matrix
from colisten.towers.selection.validation_split import split_validation
from colisten.towers.transitions import OrderedStreams, transition_matrix
from colisten.towers.two_tower.pair_draws import PairDraws
from colisten.towers.weak_signals import conversion_rates
from tests.worlds import Event, plain_users, write_listening

ITEMS, DAY = 40, 86_400
IS_TARGET = np.arange(ITEMS) < 15
FACTS = ItemFacts(IS_TARGET.astype(np.uint8), np.full(ITEMS, np.nan), {})


def people(users: int, scratch: Path | None = None, *, timed: bool = True, items: int = ITEMS) -> UserHistories:
    """Some have no event, some a hundred; events of a user go by time."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(0, 40, users) * (rng.random(users) < 0.8)
    events = int(lengths.sum())
    times = np.sort(rng.integers(0, 100 * DAY, events)) if timed else np.full(events, -1)
    owners = np.repeat(np.arange(users), lengths)
    order = np.lexsort((rng.permutation(times), owners))
    values = rng.random(events).astype(np.float32)
    return UserHistories(
        np.searchsorted(owners, np.arange(users + 1)),
        rng.integers(0, items, events).astype(np.int32),
        rng.choice(3, events, p=[0.7, 0.2, 0.1]).astype(np.uint8),
        rng.permutation(times)[order] if timed else times,
        {},
        values,
        scratch,
    )


def draws(some: UserHistories, half_life: int) -> PairDraws:
    return PairDraws(some, 1, IS_TARGET, listeners(some, 1, ITEMS), 0.5, half_life, 400)


def _as_of(some: UserHistories) -> list[Any]:
    as_of = AsOf.of(some, 1, FACTS, 10.0 * DAY, [50.0 * DAY])
    return [as_of.features(50.0 * DAY), as_of.streamed_after(50.0 * DAY)]


def _interactions(some: UserHistories) -> list[Any]:
    return list(vars(Interactions.of(some, ITEMS, 2)).values())


def _split(some: UserHistories) -> list[Any]:
    split = split_validation(some, IS_TARGET, 1, np.random.default_rng(0))
    return [split.users, split.truth.users, split.truth.items, split.warm, split.train.keys, split.train.timestamps]


def _transitions(some: UserHistories) -> list[Any]:
    streams = OrderedStreams.of(some, 1, ITEMS)
    return [np.array([streams.followed]), *vars(transition_matrix(streams, 2.0)).values()]


def _drawn(some: UserHistories) -> list[Any]:
    found = [draws(some, half_life).draw(np.random.default_rng(0)) for half_life in (0, 30)]
    expected = [draws(some, half_life).expected for half_life in (0, 30)]
    return [pairs.keys for pairs in found] + [np.round(each, 6) for each in expected]


QUESTIONS: dict[str, Callable[[UserHistories], list[Any]]] = {
    "listeners": lambda some: [listeners(some, 1, ITEMS)],
    "demand": lambda some: [log_demand(some, 1, FACTS)],
    "as of": _as_of,
    "negative": lambda some: [np.array(negative_signals(some, 1, 3, ITEMS))],
    "rates": lambda some: [np.array(list(conversion_rates(some, 1, 3, ()).items()))],
    "interactions": _interactions,
    "split": _split,
    "transitions": _transitions,
    "draws": _drawn,
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_many_shards_on_disk_answer_as_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    whole = QUESTIONS[question](people(200))
    monkeypatch.setattr(module, "EVENTS_AT_ONCE", 50)
    monkeypatch.setattr("colisten.towers.transitions.EVENTS_AT_ONCE", 50)
    assert len(list(people(200).shards())) > 50
    for scratch in (None, tmp_path):
        for one, other in zip(whole, QUESTIONS[question](people(200, scratch)), strict=True):
            np.testing.assert_array_equal(one, other)
    assert not list(tmp_path.iterdir())


def test_interactions_are_those_of_the_matrix_both_ways() -> None:
    found, wanted = Interactions.of(people(200), ITEMS, 2), interaction_matrix(people(200), ITEMS, 2)
    np.testing.assert_array_equal(found.user_indptr, wanted.indptr)
    np.testing.assert_array_equal(found.items, wanted.indices)
    by_item = wanted.tocsc()
    np.testing.assert_array_equal(found.item_indptr, by_item.indptr)
    np.testing.assert_array_equal(found.users, by_item.indices)
    np.testing.assert_array_equal(found.listeners, wanted.sum(axis=0))


def test_without_times_pairs_are_hidden_whatever_the_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_AT_ONCE", 50)
    some = people(400, timed=False)
    split = split_validation(some, IS_TARGET, 1, np.random.default_rng(0))
    hidden = split.users[split.truth.users] << 32 | split.truth.items
    assert not np.isin(hidden, split.train.keys).any()
    assert np.isin(hidden, some.keys).all()
    assert 0.15 < len(hidden) / len(np.unique(some.keys[IS_TARGET[some.items] & (some.signals < 1)])) < 0.35
    assert 0 < np.count_nonzero(~split.warm) < len(split.warm)


@pytest.mark.parametrize("shard", [50, 1 << 20])
def test_what_is_read_is_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard: int) -> None:
    """From a file to histories, and back to a file."""
    monkeypatch.setattr(module, "EVENTS_AT_ONCE", shard)
    rng = np.random.default_rng(0)
    events: list[Event] = [
        (int(rng.integers(60)), int(rng.integers(9)), int(rng.integers(2)), int(rng.integers(99)) if some % 3 else None)
        for some in range(300)
    ]
    data = write_listening(tmp_path / "data", ["book"] * 9, events, users=plain_users(63))
    whole, some = read_histories(data, values=True), read_histories(data, np.array([61, 4, 4], np.int32))
    assert len(whole) == 63
    assert [whole.take(np.array([user])).items.tolist() for user in (61, 4, 4)] == [
        some.items[slice(*some.indptr[place : place + 2])].tolist() for place in range(3)
    ]
    (tmp_path / "again").mkdir()
    again = with_histories(data, whole, tmp_path / "again")
    wanted = pl.read_parquet(data.interactions).with_columns(pl.col("value").fill_null(1))
    assert pl.read_parquet(again.interactions).equals(wanted.select(*INTERACTIONS))
    assert {file.name for file in data.root.iterdir()} >= {"interactions.parquet"}
    assert {file.suffix for file in data.root.iterdir()} == {".parquet", ".json"}


def test_interactions_in_another_order_are_refused(tmp_path: Path) -> None:
    data = write_listening(tmp_path / "data", ["book"] * 2, [(0, 0, 0, None), (1, 1, 0, None)])
    pl.read_parquet(data.interactions).reverse().write_parquet(data.interactions)
    with pytest.raises(WorkdirError, match="not ordered by user"):
        read_histories(data)


def _train(some: UserHistories) -> None:
    split = split_validation(some, IS_TARGET, 1, np.random.default_rng(0))
    draws(replace(split.train, values=None), 0).draw(np.random.default_rng(0))


@pytest.mark.parametrize(
    "question", [QUESTIONS["interactions"], QUESTIONS["transitions"], QUESTIONS["listeners"], _train]
)
def test_memory_hardly_grows_with_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: Callable[[UserHistories], object]
) -> None:
    """Events alone take 13 bytes; what is left is of users, and of hidden pairs."""
    monkeypatch.setattr(module, "EVENTS_AT_ONCE", 1 << 12)
    monkeypatch.setattr("colisten.towers.transitions.EVENTS_AT_ONCE", 1 << 12)
    monkeypatch.setattr("colisten.towers.selection.validation_split._TIMES_LOOKED_AT", 1 << 12)
    events, peaks = [], []
    question(people(9))  # what is compiled and imported
    for users in (5_000, 25_000):
        some = module.joined((shard.histories for shard in people(users).shards()), {}, tmp_path)
        events.append(len(some.items))
        tracemalloc.start()
        question(some)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (events[1] - events[0]) < 4
