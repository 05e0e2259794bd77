"""ε-greedy exploration of slots: propensities are those of every way to draw, and what is drawn has them."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.serving.experiment.slots import draw_slots, propensities


def by_enumeration(k: int, pool: int, epsilon: Fraction) -> dict[tuple[int, int], Fraction]:
    """(slot, item) → probability, from every set of free slots and every way to fill it."""
    chance: dict[tuple[int, int], Fraction] = {}
    for free in (set(some) for count in range(k + 1) for some in combinations(range(k), count)):
        left = [item for item in range(pool) if item not in set(range(k)) - free]
        ways = list(permutations(left, len(free)))
        each = epsilon ** len(free) * (1 - epsilon) ** (k - len(free)) / len(ways)
        for way in ways:
            filling = iter(way)
            for slot in range(k):
                shown = next(filling) if slot in free else slot
                chance[slot, shown] = chance.get((slot, shown), Fraction(0)) + each
    return chance


@pytest.mark.parametrize(("k", "pool"), [(1, 1), (1, 4), (2, 2), (3, 3), (3, 6), (4, 5)])
@pytest.mark.parametrize("epsilon", [Fraction(1, 10), Fraction(1, 2)])
def test_propensities_are_those_of_all_ways_to_draw(k: int, pool: int, epsilon: Fraction) -> None:
    expected = by_enumeration(k, pool, epsilon)
    for slot in range(k):
        for item in range(pool):
            row = np.full((1, k), item)
            assert propensities(row, pool, float(epsilon))[0, slot] == pytest.approx(float(expected[slot, item]))


@given(
    k=st.integers(1, 12), further=st.integers(0, 60), epsilon=st.floats(0, 0.5), seed=st.integers(0, 2**32)
)  # fmt: skip
def test_an_answer_shows_no_item_twice_and_chances_add_up(k: int, further: int, epsilon: float, seed: int) -> None:
    pool = k + further
    slots = draw_slots(20, k, pool, epsilon, np.random.default_rng(seed))
    assert slots.shape == (20, k)
    assert all(len(set(answer)) == k for answer in slots.tolist())
    assert slots.min() >= 0
    assert slots.max() < pool
    every_item = np.repeat(np.arange(pool)[:, None], k, axis=1)
    assert propensities(every_item, pool, epsilon).sum(axis=0) == pytest.approx(np.ones(k))


def test_what_is_drawn_has_these_propensities() -> None:
    k, pool, epsilon, answers = 4, 9, 0.3, 400_000
    slots = draw_slots(answers, k, pool, epsilon, np.random.default_rng(5))
    counted = np.stack([np.bincount(slots[:, slot], minlength=pool) for slot in range(k)], axis=1) / answers
    expected = propensities(np.repeat(np.arange(pool)[:, None], k, axis=1), pool, epsilon)
    error = np.sqrt(expected * (1 - expected) / answers)
    assert np.all(np.abs(counted - expected) < 4.5 * error)


def test_without_exploration_every_slot_is_certain() -> None:
    slots = draw_slots(3, 5, 50, 0.0, np.random.default_rng(0))
    assert slots.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert propensities(slots, 50, 0.0).tolist() == [[1.0] * 5] * 3
