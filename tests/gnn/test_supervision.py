import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.arrays import Bools
from colisten.gnn.lightning_module import GnnTraining
from colisten.gnn.model import ModelSpec
from colisten.gnn.supervision import (
    Contrast,
    Contrasts,
    chance_of_positive,
    draw_epoch,
    edges_per_type,
    edges_to_draw,
    false_negatives,
)
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.keys import held_out
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from tests.gnn import worlds

KINDS = [0] * 30 + [1] * 60 + [2]
NAMES = ("audiobook", "podcast", "radio play")
A_A, A_P, P_P = (EdgeType(NAMES[one], CO_LISTENED, NAMES[other]) for one, other in ((0, 0), (0, 1), (1, 1)))


@pytest.fixture(scope="module")
def adjacency() -> SnapshotAdjacency:
    return worlds.random_graph(91, 1500, KINDS, NAMES)


def _contrasts(adjacency: SnapshotAdjacency, negatives: int, *, in_batch: bool) -> Contrasts:
    members = tuple(np.flatnonzero(adjacency.node_type == code) for code in range(len(adjacency.node_types)))
    counts = edges_per_type(adjacency)
    shares = edges_to_draw(counts, sum(counts.values()), balance=False)
    return Contrasts(adjacency.node_type, members, chance_of_positive(adjacency, shares), negatives, in_batch)


def test_edges_are_counted_once_per_pair_of_types(adjacency: SnapshotAdjacency) -> None:
    matrix = np.triu(worlds.joined(adjacency))
    kind = adjacency.node_type
    for edge_type, count in edges_per_type(adjacency).items():
        a, b = NAMES.index(edge_type.src), NAMES.index(edge_type.dst)
        pairs = (kind[:, None] == a) & (kind == b) | (kind[:, None] == b) & (kind == a)
        assert count == (matrix & pairs).sum()
    assert sum(edges_per_type(adjacency).values()) == matrix.sum()


@given(counts=st.lists(st.integers(1, 10_000), min_size=1, max_size=8), total=st.integers(8, 20_000))
def test_balanced_shares_are_equal_as_far_as_there_are_edges(counts: list[int], total: int) -> None:
    by_type = {EdgeType("a", CO_LISTENED, f"type {place}"): count for place, count in enumerate(counts)}
    shares = edges_to_draw(by_type, min(total, sum(counts)), balance=True)
    assert sum(shares.values()) == min(total, sum(counts))
    assert all(shares[pair] <= by_type[pair] for pair in by_type)
    full = [shares[pair] for pair in by_type if shares[pair] < by_type[pair]]
    assert not full or max(full) - min(full) <= 1
    assert not full or all(share <= max(full) for share in shares.values())


def test_the_papers_example_n_and_m_edges_give_n_of_each() -> None:
    assert edges_to_draw({A_A: 100, A_P: 5000}, 200, balance=True) == {A_A: 100, A_P: 100}


def test_epochs_are_balanced_differ_and_leave_held_out_edges_alone(adjacency: SnapshotAdjacency) -> None:
    split = HeldOutEdges(0.2, 3)
    sampler = NeighbourSampler(adjacency, (5, 5), held_out=split)
    shares = {A_A: 20, A_P: 20, P_P: 20}
    first, second = (draw_epoch(sampler, shares, np.random.default_rng(seed)) for seed in (1, 2))
    kinds = np.sort(np.stack([adjacency.node_type[side] for side in first]), axis=0)
    drawn = {pair: int(((kinds[0] == pair[0]) & (kinds[1] == pair[1])).sum()) for pair in ((0, 0), (0, 1), (1, 1))}
    assert list(drawn.values()) == list(shares.values())
    assert set(zip(*(side.tolist() for side in first), strict=True)) != set(
        zip(*(s.tolist() for s in second), strict=True)
    )
    assert not held_out(*first, *split).any()
    kept_apart = draw_epoch(sampler, shares, np.random.default_rng(1), held_out=True)
    assert held_out(*kept_apart, *split).all()
    assert len(kept_apart[0])


def test_chance_of_positive_is_how_often_an_item_is_drawn(adjacency: SnapshotAdjacency) -> None:
    shares = {A_A: 30, A_P: 30, P_P: 30}
    sampler = NeighbourSampler(adjacency, (5, 5))
    drawn = np.zeros(91)
    for seed in range(400):
        for side in draw_epoch(sampler, shares, np.random.default_rng(seed)):
            drawn += np.bincount(side, minlength=91)
    chance = chance_of_positive(adjacency, shares)
    for code in (0, 1):
        mine = adjacency.node_type == code
        assert chance[mine].sum() == pytest.approx(1)
        assert np.abs(drawn[mine] / drawn[mine].sum() - chance[mine]).max() < 0.01


@pytest.mark.parametrize("in_batch", [False, True])
def test_others_are_of_the_positives_type_and_masked_where_joined(adjacency: SnapshotAdjacency, in_batch: bool) -> None:
    sampler = NeighbourSampler(adjacency, (5, 5))
    edges = draw_epoch(sampler, {A_P: 20, P_P: 20}, np.random.default_rng(0))
    matrix, split = worlds.joined(adjacency), HeldOutEdges(0.3, 1)
    for contrast in _contrasts(adjacency, 10, in_batch=in_batch).draw(edges, np.random.default_rng(0)):
        kinds = adjacency.node_type[contrast.positive]
        assert (kinds == kinds[0]).all()
        assert (adjacency.node_type[contrast.negatives] == kinds[0]).all()
        assert len(np.unique(contrast.negatives)) == len(contrast.negatives)
        assert in_batch == np.isin(contrast.positive, contrast.negatives).all()
        same = contrast.anchor[:, None] == contrast.negatives
        expected = matrix[np.ix_(contrast.anchor, contrast.negatives)] | same
        assert np.array_equal(false_negatives(adjacency, contrast, None), expected)
        rows, columns = np.nonzero(expected)
        hidden = held_out(contrast.anchor[rows], contrast.negatives[columns], *split)
        hidden &= contrast.anchor[rows] != contrast.negatives[columns]
        expected[rows[hidden], columns[hidden]] = False
        assert np.array_equal(false_negatives(adjacency, contrast, split), expected)


def test_log_chance_makes_the_sum_over_negatives_unbiased() -> None:
    """The sign of logQ: divided by its chance, an item counts as often on average as in the sum over all items."""
    adjacency = worlds.random_graph(400, 6000, [0] * 400, ("audiobook",))
    weight = np.random.default_rng(0).uniform(0.5, 2, 400) * (1 + 5 * (np.arange(400) < 20))
    sampler, contrasts = NeighbourSampler(adjacency, (5,)), _contrasts(adjacency, 20, in_batch=True)
    estimates, naive = [], []
    for seed in range(300):
        edges = draw_epoch(sampler, {A_A: 40}, np.random.default_rng(seed))
        (contrast,) = contrasts.draw(edges, np.random.default_rng(seed))
        # The negatives of one row: its own positive is there by certainty, so the row must not choose itself.
        negatives = _others_without_first_row(contrast, seed)
        estimates.append((weight[contrast.negatives] * np.exp(-contrast.log_chance))[negatives].sum())
        naive.append(weight[contrast.negatives][negatives].sum())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - weight.sum()) < 4 * error + 0.03 * weight.sum()
    assert np.mean(naive) < 0.5 * weight.sum()


def _others_without_first_row(contrast: Contrast, seed: int) -> Bools:
    row = seed % len(contrast.positive)
    mine = contrast.positive[row]
    elsewhere = np.isin(contrast.negatives, np.delete(contrast.positive, row))
    others: Bools = (contrast.negatives != mine) | elsewhere
    return others


def test_held_out_edges_are_drawn_once_for_all(adjacency: SnapshotAdjacency) -> None:
    text = np.ones((91, 4), np.float32)
    model = ModelSpec.of(worlds.QUICK, NAMES, adjacency.relations, 4 + adjacency.degrees.shape[1], 0).build()
    runs = [GnnTraining(model, adjacency, text, worlds.QUICK, 5).held_out_edges for _ in range(2)]
    assert np.array_equal(runs[0], runs[1])
