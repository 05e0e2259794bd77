"""Neighbourhoods: what must hold of every one, whatever the graph, the seeds and the way of drawing."""

from __future__ import annotations

import pickle
from typing import Any, TypedDict

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import SettingsError
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.keys import held_out
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, Draw, NeighbourSampler
from tests.graph_store.stream.graphs import Graph, random_graph


class SamplerOptions(TypedDict):
    """How a sampler draws."""

    fan_out: tuple[int, ...]
    draw: Draw
    refill: bool
    held_out: HeldOutEdges | None


sampler_options = st.builds(
    SamplerOptions,
    fan_out=st.lists(st.sampled_from([1, 2, 3, 7, -1]), min_size=1, max_size=3).map(tuple),
    draw=st.sampled_from(["uniform", "weighted", "top"]),
    refill=st.booleans(),
    held_out=st.sampled_from([None, HeldOutEdges(0.3, 5)]),
)
worlds = st.builds(
    random_graph, st.integers(4, 60), st.integers(0, 300), st.integers(0, 99), st.integers(1, 3), st.integers(1, 2)
)


def same(one: Neighbourhood, other: Neighbourhood) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("nodes", "src", "dst", "weight", "relation")
    )
    return arrays and one.nodes_per_hop == other.nodes_per_hop and one.edges_per_hop == other.edges_per_hop


def some_seeds(graph: Graph, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    rng = np.random.default_rng(seed)
    return rng.choice(len(graph.node_type), rng.integers(1, len(graph.node_type) // 2 + 1), replace=False)


@settings(max_examples=150)
@given(worlds, sampler_options, st.integers(0, 2**32))
def test_a_neighbourhood_is_made_of_the_graph(graph: Graph, options: SamplerOptions, seed: int) -> None:
    seeds = some_seeds(graph, seed)
    found = NeighbourSampler(graph.adjacency(), **options).sample(seeds, np.random.default_rng(seed))
    truth = graph.networkx()
    assert found.nodes[: len(seeds)].tolist() == seeds.tolist()
    assert len(set(found.nodes.tolist())) == len(found.nodes) == sum(found.nodes_per_hop)
    assert len(found.src) == len(found.dst) == len(found.weight) == sum(found.edges_per_hop)
    ends = found.nodes[found.src].tolist(), found.nodes[found.dst].tolist(), found.relation.tolist()
    edges = list(zip(*ends, strict=True))
    assert len(set(edges)) == len(edges), "no edge twice"
    for edge, weight in zip(edges, found.weight.tolist(), strict=True):
        assert truth.edges[edge]["weight"] == pytest.approx(weight)


@settings(max_examples=100)
@given(worlds, sampler_options, st.integers(0, 2**32))
def test_nodes_and_edges_come_hop_by_hop(graph: Graph, options: SamplerOptions, seed: int) -> None:
    seeds = some_seeds(graph, seed)
    found = NeighbourSampler(graph.adjacency(), **options).sample(seeds, np.random.default_rng(seed))
    node_hop = np.repeat(np.arange(len(found.nodes_per_hop)), found.nodes_per_hop)
    edge_hop = np.repeat(np.arange(len(found.edges_per_hop)), found.edges_per_hop)
    np.testing.assert_array_equal(node_hop[found.dst], edge_hop)
    assert (node_hop[found.src] <= edge_hop + 1).all()
    reached = nx.DiGraph(zip(found.dst.tolist(), found.src.tolist(), strict=True))
    reached.add_nodes_from(range(len(seeds)))
    nearest = nx.multi_source_dijkstra_path_length(reached, set(range(len(seeds))))
    assert {node: int(hop) for node, hop in enumerate(node_hop)} == nearest


@settings(max_examples=100)
@given(worlds, sampler_options, st.integers(0, 2**32))
def test_each_node_draws_its_quota_of_each_edge_type(graph: Graph, options: SamplerOptions, seed: int) -> None:
    seeds = some_seeds(graph, seed)
    found = NeighbourSampler(graph.adjacency(), **options).sample(seeds, np.random.default_rng(seed))
    truth, types = graph.networkx(), len(graph.node_types)
    groups = len(graph.relations) * types
    drawn = np.zeros((len(found.nodes), groups), int)
    np.add.at(drawn, (found.dst, found.relation * types + graph.node_type[found.nodes[found.src]]), 1)
    node_hop = np.repeat(np.arange(len(found.nodes_per_hop)), found.nodes_per_hop)
    for place, item in enumerate(found.nodes.tolist()):
        if node_hop[place] == len(options["fan_out"]):
            assert drawn[place].sum() == 0
            continue
        supply = np.zeros(groups, int)
        for _, other, relation in truth.edges(item, keys=True):
            if not (options["held_out"] and held_out(np.array([item]), np.array([other]), *options["held_out"])[0]):
                supply[relation * types + truth.nodes[other]["kind"]] += 1
        fan_out = options["fan_out"][node_hop[place]]
        quota = np.minimum(supply, fan_out if fan_out > 0 else supply)
        if options["refill"] and fan_out > 0:
            assert drawn[place].sum() == min(supply.sum(), fan_out * groups)
            assert (drawn[place] >= quota).all()
        else:
            np.testing.assert_array_equal(drawn[place], quota)


@settings(max_examples=100)
@given(worlds, sampler_options, st.integers(0, 2**32), st.booleans())
def test_excluded_pairs_pass_no_message_either_way_at_any_hop(
    graph: Graph, options: SamplerOptions, seed: int, turned: bool
) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.random(len(graph.src)) < 0.3
    pairs = (graph.src[chosen].astype(np.int64), graph.dst[chosen].astype(np.int64))
    seeds = np.unique(np.concatenate(pairs)) if chosen.any() else np.array([0])
    sampler = NeighbourSampler(graph.adjacency(), **options)
    found = sampler.sample(seeds, rng, without=pairs[::-1] if turned else pairs)
    banned = {frozenset(pair) for pair in zip(*(side.tolist() for side in pairs), strict=True)}
    seen = zip(found.nodes[found.src].tolist(), found.nodes[found.dst].tolist(), strict=True)
    assert not banned & {frozenset(pair) for pair in seen}
    if options["held_out"]:
        assert not held_out(found.nodes[found.src], found.nodes[found.dst], *options["held_out"]).any()


@settings(max_examples=60)
@given(worlds, sampler_options, st.integers(0, 2**32))
def test_sampling_together_changes_nothing(graph: Graph, options: SamplerOptions, seed: int) -> None:
    sampler = NeighbourSampler(graph.adjacency(), **options)
    edge = (graph.src[:1].astype(np.int64), graph.dst[:1].astype(np.int64))
    batches = [Batch(some_seeds(graph, seed + i), np.uint64(seed + i % 3), edge if i % 2 else None) for i in range(5)]
    alone = [sampler.sample_together([batch])[0] for batch in batches]
    assert all(map(same, alone, sampler.sample_together(batches)))


def test_the_same_generator_gives_the_same_batch_and_another_gives_another() -> None:
    graph = random_graph(200, 4000, 1)
    sampler = NeighbourSampler(graph.adjacency(), (3, 3))
    seeds = np.arange(20)
    one, again, other = (sampler.sample(seeds, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert same(one, again)
    assert not same(one, other)


def test_a_sampler_travels_between_processes(tmp_path: Any) -> None:
    graph = random_graph(50, 400, 1)
    sampler = NeighbourSampler(graph.adjacency(), (3, 3))
    seeds = np.arange(20)
    moved = pickle.loads(pickle.dumps(sampler))  # noqa: S301 as multiprocessing does
    assert same(*(each.sample(seeds, np.random.default_rng(4)) for each in (sampler, moved)))


def test_what_cannot_be_asked_is_said() -> None:
    graph = random_graph(50, 400, 1)
    with pytest.raises(SettingsError, match="fan-out"):
        NeighbourSampler(graph.adjacency(), (3, 0))
    with pytest.raises(ValueError, match="distinct"):
        NeighbourSampler(graph.adjacency(), (3,)).sample(np.array([1, 1]), np.random.default_rng(0))
