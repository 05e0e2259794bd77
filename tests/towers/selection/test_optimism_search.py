"""Room for new items: where validation has new items, as much as costs next to nothing."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.arrays import Floats
from colisten.listening.pairs import UserItemPairs
from colisten.towers.demand.optimism import optimistic
from colisten.towers.selection.optimism_search import OPTIMISM, choose_optimism
from colisten.towers.selection.ranking_task import RankingTask

USERS, ITEMS, NEW = 400, 200, 40
LISTENERS = np.where(np.arange(ITEMS) < NEW, 0, 50)
"""The first items are those that nobody has heard."""


def chosen(share_of_new: float) -> float:
    """Hidden pairs, so many of which are on new items, are a little likelier where demand and taste are high."""
    rng = np.random.default_rng(1)
    known = rng.random(USERS) >= share_of_new
    items = np.where(known, rng.integers(NEW, ITEMS, USERS), rng.integers(0, NEW, USERS))
    taste = rng.normal(size=(USERS, ITEMS)).astype(np.float32)
    taste[np.arange(USERS), items] += 2
    demand = np.where(LISTENERS == 0, -1, 0).astype(np.float32)
    nothing = UserItemPairs(np.empty(0, np.int64), np.empty(0, np.int64))
    task = RankingTask(np.arange(ITEMS), nothing, UserItemPairs(np.arange(USERS), items), np.ones(USERS, bool))

    def scorer(optimism: float) -> Floats:
        return taste + optimistic(demand, LISTENERS, optimism)

    return choose_optimism(task, LISTENERS, lambda optimism: lambda users: scorer(optimism)[users])


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.02, 0, 0.75), (0.3, 1, max(OPTIMISM))])
def test_the_more_is_new_among_what_is_heard_next_the_more_room_it_gets(
    share: float, least: float, most: float
) -> None:
    assert least <= chosen(share) <= most


def test_what_many_have_heard_is_left_as_it_is() -> None:
    found = optimistic(np.zeros(3, np.float32), np.array([0, 1, 999], np.float32), 2.0)
    np.testing.assert_allclose(found, [2, 1, 0.002])
