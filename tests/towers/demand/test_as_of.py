"""Features of demand as of a moment: nothing after it, and what plain counting gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.arrays import Floats64
from colisten.listening.histories import UserHistories
from colisten.towers.demand.as_of import DAY, AsOf, ItemFacts
from colisten.towers.item_matrix import ItemMatrix

ITEMS, USERS, HORIZON = 5, 4, 10 * DAY
Event = tuple[int, int, int, int]
"""user, item, signal (0: strong), day; a negative day: no time."""
EVENTS = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 2), st.integers(-3, 60)), max_size=40
)
NEXT = ItemMatrix(np.array([0, 1, 3, 3, 3, 3]), np.array([1, 0, 2], np.int32), np.array([0.5, 0.5, 0.25], np.float32))
"""Item 0 is related to 1, 1 to 0 and 2."""


def facts(published: list[float]) -> ItemFacts:
    return ItemFacts(np.array([0, 0, 0, 1, 1], np.uint8), np.array(published, np.float64) * DAY, {"next": NEXT})


FACTS = facts([0, 30, np.nan, -400, 70])


def histories(events: list[Event]) -> UserHistories:
    ordered = sorted(events)
    owners, items, signals, days = np.array(ordered, np.int64).reshape(-1, 4).T
    times = np.where(days < 0, -1, days * DAY)
    indptr = np.searchsorted(owners, np.arange(USERS + 1))
    return UserHistories(indptr, items.astype(np.int32), signals.astype(np.uint8), times, {})


def as_of(events: list[Event]) -> AsOf:
    return AsOf.of(histories(events), 1, FACTS, HORIZON, [day * DAY for day in range(61)])


@given(EVENTS, EVENTS, st.integers(0, 60))
@settings(max_examples=100)
def test_nothing_after_the_moment_is_seen(events: list[Event], others: list[Event], moment: int) -> None:
    """Other events from the moment on leave every feature as it was."""
    past = [event for event in events if event[3] < moment]
    future = [event for event in others if event[3] >= moment]
    before, after = (as_of(some).features(moment * DAY) for some in (past, past + future))
    np.testing.assert_array_equal(before, after)


@given(EVENTS, st.integers(0, 60))
@settings(max_examples=100)
def test_counts_are_those_of_plain_loops(events: list[Event], moment: int) -> None:
    first: dict[tuple[int, int], int] = {}
    for user, item, signal, day in events:
        if signal == 0 and day >= 0:
            first[user, item] = min(day, first.get((user, item), day))
    found = as_of(events)
    features = found.features(moment * DAY)
    for item in range(ITEMS):
        days = [day for (_, heard), day in first.items() if heard == item]
        weak = [day for _, other, signal, day in events if other == item and signal > 0 and day >= 0]
        windows = [sum(moment - width <= day < moment for day in days) for width in (5, 10, 20, 40, 1000)]
        assert np.allclose(features[item, :5], np.log1p(windows))
        windows = [sum(moment - width <= day < moment for day in weak) for width in (10, 40, 1000)]
        assert np.allclose(features[item, 5:8], np.log1p(windows))
        after = sum(moment <= day < moment + 10 for day in days)
        assert found.streamed_after(moment * DAY)[item] == after


def test_age_type_and_related_items() -> None:
    events = [(0, 0, 0, 39), (1, 0, 0, 38), (2, 2, 0, 37), (3, 3, 0, 10)]
    features = as_of(events).features(40 * DAY)
    age, since_first, of_type, related, weight = features[:, [8, 9, 11, 12, 13]].T
    assert np.allclose(age, signed_log([40, 10, np.nan, 440, -30]), equal_nan=True)
    assert np.allclose(since_first, signed_log([2, np.nan, 3, 30, np.nan]), equal_nan=True)
    heard = np.log1p([2, 0, 1, 1, 0])
    assert np.allclose(of_type, [heard[:3].mean()] * 3 + [heard[3:].mean()] * 2)
    assert np.allclose(related, [0, (0.5 * heard[0] + 0.25 * heard[2]) / 0.75, *[np.nan] * 3], equal_nan=True)
    assert np.allclose(weight, [0.5, 0.75, 0, 0, 0])


def test_what_comes_out_later_is_no_example() -> None:
    found = as_of([(0, 0, 0, 1)])
    assert found.may_be_streamed_after(40 * DAY).tolist() == [True, True, True, True, False]
    assert replace(found, horizon=30 * DAY).may_be_streamed_after(40 * DAY).all()


def signed_log(days: list[float]) -> Floats64:
    found: Floats64 = np.sign(days) * np.log1p(np.abs(days))
    return found
