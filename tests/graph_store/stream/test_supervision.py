"""Supervision edges: uniform over their type, distinct, and split as asked."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.keys import held_out
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.supervision import permuted
from tests.graph_store.stream.graphs import Graph, random_graph

RARE = 1e-4
BETWEEN = ("audiobook", CO_LISTENED, "podcast")
worlds = st.builds(
    random_graph, st.integers(4, 60), st.integers(0, 300), st.integers(0, 99), st.integers(1, 3), st.integers(1, 2)
)


def edges_between(graph: Graph, low: int, high: int, relation: int = 0) -> set[tuple[int, int]]:
    kinds = graph.node_type
    found = set()
    for a, b, code in zip(graph.src.tolist(), graph.dst.tolist(), graph.relation.tolist(), strict=True):
        if code == relation and {kinds[a], kinds[b]} == {low, high}:
            found.add((min(a, b), max(a, b)) if low == high else ((a, b) if kinds[a] == low else (b, a)))
    return found


@settings(max_examples=100)
@given(worlds, st.integers(0, 2**32), st.sampled_from([None, HeldOutEdges(0.4, 9)]), st.booleans())
def test_all_edges_of_a_type_come_once_when_all_are_asked_for(
    graph: Graph, seed: int, split: HeldOutEdges | None, outside: bool
) -> None:
    sampler = NeighbourSampler(graph.adjacency(), (2,), held_out=split)
    columns = (graph.src, graph.dst, graph.relation, graph.weight)
    weight_of = {(frozenset((a, b)), r): w for a, b, r, w in zip(*(each.tolist() for each in columns), strict=True)}
    names = graph.node_types
    for low, high in combinations_with_replacement(range(len(names)), 2):
        for code, relation in enumerate(graph.relations):
            edge_type = (names[low], relation, names[high])
            drawn = sampler.draw_edges(edge_type, 10_000, np.random.default_rng(seed), held_out=outside)
            pairs = list(zip(drawn[0].tolist(), drawn[1].tolist(), strict=True))
            truth = edges_between(graph, low, high, code)
            if truth:
                ends = np.array(sorted(truth))
                out = held_out(ends[:, 0], ends[:, 1], *(split or (0.0, 0)))
                truth = {(int(a), int(b)) for (a, b), o in zip(ends, out, strict=True) if o == outside}
            assert len(set(pairs)) == len(pairs)
            assert set(pairs) == truth
            assert [weight_of[frozenset(pair), code] for pair in pairs] == pytest.approx(drawn[2].tolist())


@pytest.mark.parametrize("relation", [0, 1])
@pytest.mark.parametrize("pair", [(0, 0), (0, 1), (1, 0), (1, 2)])
def test_each_edge_of_a_type_is_drawn_equally_often(pair: tuple[int, int], relation: int) -> None:
    graph = random_graph(30, 400, 5, relations=2)
    sampler = NeighbourSampler(graph.adjacency(), (2,))
    truth = edges_between(graph, min(pair), max(pair), relation)
    edge_type = (graph.node_types[pair[0]], graph.relations[relation], graph.node_types[pair[1]])
    counts: dict[tuple[int, int], int] = dict.fromkeys(truth, 0)
    rng = np.random.default_rng(2)
    for _ in range(4_000):
        src, dst, _ = sampler.draw_edges(edge_type, 3, rng)
        assert (graph.node_type[src] == pair[0]).all()
        for a, b in zip(src.tolist(), dst.tolist(), strict=True):
            counts[(a, b) if pair[0] <= pair[1] else (b, a)] += 1
    # Distinct edges within a draw only make the counts more even than chance would: the test stays on the safe side.
    assert chisquare(list(counts.values())).pvalue > RARE


def test_an_epoch_is_drawn_anew_each_time() -> None:
    graph = random_graph(300, 4_000, 5)
    sampler = NeighbourSampler(graph.adjacency(), (2,))
    rng = np.random.default_rng(2)
    first, second = (set(zip(*(side.tolist() for side in sampler.draw_edges(BETWEEN, 100, rng)[:2]), strict=True))
                     for _ in range(2))  # fmt: skip
    assert len(first) == len(second) == 100
    assert len(first & second) < 60


@settings(max_examples=50)
@given(st.integers(1, 3_000), st.integers(0, 2**63))
def test_a_keyed_order_holds_every_number_once(size: int, key: int) -> None:
    found = permuted(0, size, size, np.uint64(key))
    assert sorted(found.tolist()) == list(range(size))


def test_only_the_rows_that_are_hit_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    adjacency = random_graph(2_000, 20_000, 5).adjacency()
    read: list[int] = []
    rows = type(adjacency).rows

    def watched(self: Any, items: Any) -> Any:
        read.extend(items.tolist())
        return rows(self, items)

    monkeypatch.setattr(type(adjacency), "rows", watched)
    NeighbourSampler(adjacency, (2,)).draw_edges(BETWEEN, 20, np.random.default_rng(0))
    assert 0 < len(read) < 200
