"""Bags against a plain loop, and the label never in its own history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.listening.histories import UserHistories
from colisten.listening.pairs import UserItemPairs, pairs_of
from colisten.towers.features.bags import BagLayout, BagSums
from colisten.towers.features.user_features import UserFeatures
from colisten.towers.two_tower.examples import UserExamples

ITEMS = 9
GROUP_OF = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2], np.uint8)
DAY = 86_400
BAGS = BagLayout(strong=2, signals=4, groups=3, group_of=GROUP_OF, days=0, now=0)
FADING = replace(BAGS, now=100 * DAY, half_life=10)
CONTENT = np.random.default_rng(0).normal(size=(ITEMS, 3)).astype(np.float32)
events_of_users = st.lists(
    st.lists(st.tuples(st.integers(0, ITEMS - 1), st.integers(0, 3)), max_size=12), min_size=1, max_size=4
)
ages = st.integers(-200, 200)
"""Days before the newest time in training; below zero: after it."""


def listeners(users: list[list[tuple[int, int]]], times: list[int] | None = None) -> UserHistories:
    events = [event for user in users for event in user]
    return UserHistories(
        np.cumsum([0, *map(len, users)]).astype(np.int64),
        np.array([item for item, _ in events], np.int32),
        np.array([signal for _, signal in events], np.uint8),
        np.array(times if times else [-1] * len(events), np.int64),
        {},
    )


def by_hand(events: list[tuple[int, int]], without: int | None = None, times: list[int] | None = None) -> np.ndarray:
    """Means and log counts of one user, item by item; of items with `times`, means that fade."""
    bags: list[dict[int, float]] = [{} for _ in range(BAGS.count)]
    for (item, signal), time in zip(events, times or [0] * len(events), strict=True):
        if item != without:
            bag = bags[(0 if signal < 2 else signal - 1) * 3 + GROUP_OF[item]]
            half_lives = min(max((100 * DAY - time) / (10 * DAY), 0), 6) if time >= 0 else 6
            bag[item] = max(bag.get(item, 0), 0.5**half_lives if times else 1)
    means = [np.average(CONTENT[list(bag)], 0, list(bag.values())) if bag else np.zeros(3) for bag in bags]
    return np.concatenate([*means, np.log1p([len(bag) for bag in bags])])


@given(events_of_users)
def test_features_are_the_mean_of_each_bag(users: list[list[tuple[int, int]]]) -> None:
    found = UserFeatures((), BAGS, CONTENT).encode(listeners(users))
    assert found == pytest.approx(np.stack([by_hand(user) for user in users]), abs=1e-5)


@given(events_of_users)
def test_a_label_is_never_in_its_own_history_under_any_signal(users: list[list[tuple[int, int]]]) -> None:
    people = listeners(users)
    pairs = pairs_of(people, signals=2)
    never = np.zeros(len(pairs), bool)
    found = UserExamples(UserFeatures((), BAGS, CONTENT), people).user_features(pairs, never, never)
    wanted = [by_hand(users[user], without=item) for user, item in zip(pairs.users, pairs.items, strict=True)]
    assert found == pytest.approx(np.reshape(wanted, found.shape), abs=1e-5)


@given(events_of_users, st.data())
def test_what_was_heard_long_ago_counts_less_and_a_label_nothing(
    users: list[list[tuple[int, int]]], drawn: st.DataObject
) -> None:
    ago = [[drawn.draw(ages) for _ in user] for user in users]
    times = [[max((100 - days) * DAY, -1) for days in mine] for mine in ago]
    people = listeners(users, [time for mine in times for time in mine])
    features = UserFeatures((), FADING, CONTENT)
    wanted = [by_hand(user, times=mine) for user, mine in zip(users, times, strict=True)]
    assert features.encode(people) == pytest.approx(np.stack(wanted), abs=1e-5)
    pairs = pairs_of(people, signals=2)
    never = np.zeros(len(pairs), bool)
    found = UserExamples(features, people).user_features(pairs, never, never)
    wanted = [by_hand(users[user], item, times[user]) for user, item in zip(pairs.users, pairs.items, strict=True)]
    assert found == pytest.approx(np.reshape(wanted, found.shape), abs=1e-4)


def test_one_who_forgets_the_target_type_keeps_the_rest() -> None:
    people = listeners([[(0, 0), (1, 2), (3, 0), (6, 3)]])
    pair = UserItemPairs(np.array([0]), np.array([3]))
    yes, no = np.ones(1, bool), np.zeros(1, bool)
    examples = UserExamples(UserFeatures((), BAGS, CONTENT), people)
    assert examples.user_features(pair, yes, no)[0] == pytest.approx(by_hand([(6, 3)]), abs=1e-6)
    assert not examples.user_features(pair, no, yes).any()


def test_sums_do_not_depend_on_how_many_rows_are_gathered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    people = listeners([[(int(rng.integers(ITEMS)), int(rng.integers(4))) for _ in range(20)] for _ in range(30)])
    history = BAGS.history(people)
    whole = BagSums.of(history, BAGS.count, CONTENT)
    monkeypatch.setattr("colisten.towers.features.bags._EVENTS_AT_ONCE", 3)
    parts = BagSums.of(history, BAGS.count, CONTENT)
    np.testing.assert_allclose(whole.content, parts.content, atol=1e-6)
    np.testing.assert_array_equal(whole.counts, parts.counts)


def test_only_recent_days_count_back_from_the_newest_event() -> None:
    bags = BagLayout(2, 4, 3, GROUP_OF, days=2, now=10 * DAY)
    people = listeners([[(0, 0), (1, 0)], [(2, 0), (3, 0)], [(4, 0)]], [7 * DAY, 9 * DAY, 12 * DAY, 20 * DAY, -1])
    assert bags.history(people).items.tolist() == [1, 3, 4]


def test_negatives_are_what_the_user_has_not_heard() -> None:
    people = listeners([[(0, 0), (1, 1), (2, 3)], [(4, 0)]])
    pairs = UserItemPairs(np.array([0, 1, 1]), np.array([0, 4, 1]))
    blocked = UserExamples(UserFeatures((), BAGS, CONTENT), people).false_negatives(pairs, slice(0, 3))
    assert blocked.tolist() == [[True, False, True], [False, True, False], [False, True, False]]
    own_rows = UserExamples(UserFeatures((), BAGS, CONTENT), people).false_negatives(pairs, slice(1, 3))
    assert own_rows.tolist() == blocked[1:].tolist()
