"""Single draws against independent oracles: what comes out, and how often."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from colisten.arrays import Int64s
from colisten.graph_store.stream.draw import allocate_quota
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.keys import held_out
from colisten.graph_store.stream.sampler import Batch, Draw, NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency

DRAWS = 20_000
RARE = 1e-4
"""A right sampler fails a distribution test this seldom; seeds are fixed, so it fails never or always."""


def star(weights: list[float], kinds: list[int] | None = None) -> SnapshotAdjacency:
    """Item 0 in the middle, one neighbour per weight."""
    count = len(weights)
    node_type = np.array([0, *(kinds or [0] * count)], np.uint8)
    return SnapshotAdjacency.from_edges(
        np.zeros(count, np.int32), np.arange(1, count + 1, dtype=np.int32), np.array(weights, np.float32),
        node_type=node_type, node_types=("a", "b", "c")[: int(node_type.max()) + 1],
    )  # fmt: skip


def drawn_sets(sampler: NeighbourSampler, draws: int = DRAWS) -> Int64s:
    """[draws, fan-out] neighbours of item 0, each draw in ascending order."""
    rng = np.random.default_rng(11)
    batches = [Batch(np.array([0]), rng.integers(0, 2**64, dtype=np.uint64)) for _ in range(draws)]
    return np.stack([np.sort(found.nodes[found.src]) for found in sampler.sample_together(batches)])


def chance_of_sets(weights: list[float], take: int) -> dict[tuple[int, ...], float]:
    """Probability of each set under successive draws in proportion to weight, by going through every order."""
    chance: dict[tuple[int, ...], float] = {}
    for order in permutations(range(len(weights)), take):
        p, left = 1.0, sum(weights)
        for i in order:
            p *= weights[i] / left
            left -= weights[i]
        key = tuple(sorted(i + 1 for i in order))
        chance[key] = chance.get(key, 0.0) + p
    return chance


@pytest.mark.parametrize(("draw", "weights"), [
    ("uniform", [1.0] * 6),
    ("uniform", [0.9, 0.1, 0.1, 0.5, 0.2, 0.01]),
    ("weighted", [0.9, 0.1, 0.1, 0.5, 0.2, 0.3]),
    ("weighted", [1.0, 0.001, 0.002, 0.003, 0.004, 0.9]),
])  # fmt: skip
@pytest.mark.slow
@pytest.mark.parametrize("take", [1, 2, 4])
def test_every_set_of_neighbours_comes_as_often_as_it_should(draw: Draw, weights: list[float], take: int) -> None:
    sets = drawn_sets(NeighbourSampler(star(weights), (take,), draw))
    chance = chance_of_sets(weights if draw == "weighted" else [1.0] * len(weights), take)
    found = dict.fromkeys(chance, 0)
    for drawn in map(tuple, sets.tolist()):
        found[drawn] += 1
    expected = np.array(list(chance.values())) * DRAWS
    counts = np.array(list(found.values()))
    seldom = expected < 5
    if seldom.any():
        expected, counts = (np.append(each[~seldom], each[seldom].sum()) for each in (expected, counts))
    assert chisquare(counts, expected * (counts.sum() / expected.sum())).pvalue > RARE


@pytest.mark.slow
def test_the_order_in_which_neighbours_are_drawn_says_nothing_about_their_place() -> None:
    sampler = NeighbourSampler(star([1.0] * 50), (3,))
    counts = np.bincount(drawn_sets(sampler).ravel(), minlength=51)[1:]
    assert chisquare(counts).pvalue > RARE


@pytest.mark.slow
def test_draws_in_different_hops_and_types_do_not_move_together() -> None:
    """Two neighbour types, one drawn from each: all pairs equally often."""
    sampler = NeighbourSampler(star([1.0] * 8, [0] * 4 + [1] * 4), (1,))
    pairs = drawn_sets(sampler)
    counts = np.bincount((pairs[:, 0] - 1) * 4 + pairs[:, 1] - 5, minlength=16)
    assert chisquare(counts).pvalue > RARE


def test_the_heaviest_come_first_and_the_lower_item_of_equals() -> None:
    sampler = NeighbourSampler(star([0.2, 0.9, 0.5, 0.9, 0.5, 0.1]), (4,), "top")
    found = sampler.sample(np.array([0]), np.random.default_rng(0))
    assert found.nodes.tolist() == [0, 2, 4, 3, 5]
    np.testing.assert_allclose(found.weight, [0.9, 0.9, 0.5, 0.5])


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["uniform", "weighted"])
def test_what_may_not_be_drawn_leaves_the_rest_equally_likely(draw: Draw) -> None:
    split = HeldOutEdges(0.4, 5)
    adjacency = star([1.0] * 12)
    others = np.arange(1, 13)
    out = held_out(np.zeros(12, np.int64), others, split.share, split.seed)
    assert 0 < out.sum() < 9
    sampler = NeighbourSampler(adjacency, (2,), draw, held_out=split)
    rng = np.random.default_rng(3)
    banned = int(others[~out][0])
    pairs = (np.array([banned]), np.array([0]))
    batches = [Batch(np.array([0]), rng.integers(0, 2**64, dtype=np.uint64), pairs) for _ in range(DRAWS)]
    drawn = np.concatenate([found.nodes[found.src] for found in sampler.sample_together(batches)])
    allowed = others[~out][1:]
    counts = np.bincount(drawn, minlength=13)
    assert set(np.flatnonzero(counts)) == set(allowed)
    assert chisquare(counts[allowed]).pvalue > RARE


def test_the_held_out_share_is_as_large_as_asked() -> None:
    src, dst = np.divmod(np.arange(100_000), 300)
    share = held_out(src, dst + 1000, 0.1, 7).mean()
    assert abs(share - 0.1) < 4 * np.sqrt(0.09 / 100_000)
    np.testing.assert_array_equal(held_out(src, dst, 0.1, 7), held_out(dst, src, 0.1, 7))
    assert (held_out(src, dst, 0.1, 7) != held_out(src, dst, 0.1, 8)).any()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 12))
def test_quotas_are_met_and_empty_slots_refilled(supply: list[int], fan_out: int) -> None:
    take = np.empty(len(supply), np.int64)
    allocate_quota(np.array(supply, np.int64), fan_out, True, take)
    assert take.sum() == min(sum(supply), fan_out * len(supply))
    assert (take <= supply).all()
    assert (take >= np.minimum(supply, fan_out)).all()
    beyond = take - fan_out
    unfilled = beyond[take < supply]
    assert len(unfilled) == 0 or unfilled.max() - unfilled.min() <= 1, "spare slots go out in equal parts"
    assert len(unfilled) == 0 or beyond.max() <= unfilled.max() + 1


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 12))
def test_without_refill_a_quota_is_all_there_is(supply: list[int], fan_out: int) -> None:
    take = np.empty(len(supply), np.int64)
    allocate_quota(np.array(supply, np.int64), fan_out, False, take)
    np.testing.assert_array_equal(take, np.minimum(supply, fan_out))
