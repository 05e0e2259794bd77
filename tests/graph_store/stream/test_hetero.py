"""Batches as PyG's own: same graph by types, and trimming layer by layer changes nothing for the seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv
from torch_geometric.utils import trim_to_layer

from colisten.graph_store.stream.blocks import blocks
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.sampler import NeighbourSampler
from tests.graph_store.stream.graphs import Graph, random_graph
from tests.graph_store.stream.test_sampler import SamplerOptions, sampler_options, some_seeds

worlds = st.builds(
    random_graph, st.integers(4, 60), st.integers(0, 300), st.integers(0, 99), st.integers(1, 3), st.integers(1, 2)
)


def features(graph: Graph, width: int = 4) -> Any:
    return np.random.default_rng(0).random((len(graph.node_type), width), np.float32)


@settings(max_examples=100)
@given(worlds, sampler_options, st.integers(0, 2**32))
def test_a_batch_says_what_the_neighbourhood_says(graph: Graph, options: SamplerOptions, seed: int) -> None:
    adjacency, x = graph.adjacency(), features(graph)
    found = NeighbourSampler(adjacency, **options).sample(some_seeds(graph, seed), np.random.default_rng(seed))
    data = to_hetero_data(found, adjacency, x)
    assert data.node_types == list(graph.node_types)
    assert data.edge_types == list(adjacency.edge_types)
    assert data.validate()
    for name in data.node_types:
        np.testing.assert_array_equal(data[name].x.numpy(), x[data[name].n_id.numpy()])
        assert sum(data[name].num_sampled_nodes) == data[name].num_nodes == len(data[name].n_id)
    for place, item in enumerate(found.nodes.tolist()):
        assert data[graph.node_types[graph.node_type[item]]].n_id[data.place[place]] == item
    messages = {
        (int(data[src].n_id[a]), int(data[dst].n_id[b]), relation, float(w))
        for src, relation, dst in data.edge_types
        for a, b, w in zip(
            *data[src, relation, dst].edge_index.tolist(), data[src, relation, dst].edge_weight.tolist(), strict=True
        )
    }
    relations = [graph.relations[code] for code in found.relation.tolist()]
    ends = found.nodes[found.src].tolist(), found.nodes[found.dst].tolist(), relations, found.weight.tolist()
    assert messages == set(zip(*ends, strict=True))
    for edge_type in data.edge_types:
        destinations = data[edge_type].edge_index[1]
        assert (destinations[1:] >= destinations[:-1]).all(), "edges come ordered by destination"


class Model(torch.nn.Module):
    """Hetero GraphSAGE that hears messages from everything, trimmed or not."""

    def __init__(self, data: HeteroData, layers: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        convs = [{kind: SAGEConv(4, 4) for kind in data.edge_types} for _ in range(layers)]
        self.layers = torch.nn.ModuleList(HeteroConv(conv, aggr="sum") for conv in convs)

    def forward(self, data: HeteroData, trim: bool) -> dict[str, torch.Tensor]:
        x: dict[str, torch.Tensor] = data.x_dict
        ends = data.edge_index_dict
        for depth, conv in enumerate(self.layers):
            if trim:
                nodes, edges = data.num_sampled_nodes_dict, data.num_sampled_edges_dict
                x, ends, _ = trim_to_layer(depth, nodes, edges, x, ends)
            x = conv(x, ends)
        return x


@settings(max_examples=60)
@given(worlds, st.sampled_from([(2, 2), (3, 1, 2)]), st.integers(0, 2**32))
def test_trimming_leaves_the_seeds_as_they_are(graph: Graph, fan_out: tuple[int, ...], seed: int) -> None:
    adjacency = graph.adjacency()
    found = NeighbourSampler(adjacency, fan_out).sample(some_seeds(graph, seed), np.random.default_rng(seed))
    data = to_hetero_data(found, adjacency, features(graph))
    model = Model(data, len(fan_out))
    whole, trimmed = model(data, trim=False), model(data, trim=True)
    for name in data.node_types:
        seeds = data[name].num_sampled_nodes[0]
        if seeds:
            torch.testing.assert_close(trimmed[name][:seeds], whole[name][:seeds])


@settings(max_examples=30)
@given(worlds, st.integers(1, 200))
def test_blocks_hold_every_item_once_with_all_its_neighbours(graph: Graph, edges_at_once: int) -> None:
    truth = graph.networkx()
    seen = []
    for block in blocks(graph.adjacency(), edges_at_once=edges_at_once):
        seeds = block.nodes[: block.nodes_per_hop[0]].tolist()
        assert len(block.src) <= edges_at_once or len(seeds) == 1
        seen += seeds
        for place, item in enumerate(seeds):
            assert sorted(block.nodes[block.src[block.dst == place]].tolist()) == sorted(
                b for _, b in truth.edges(item)
            )
    assert sorted(seen) == list(range(len(graph.node_type)))


def test_layer_by_layer_inference_equals_the_whole_graph_at_once() -> None:
    graph = random_graph(80, 600, 2)
    adjacency, x = graph.adjacency(), features(graph)
    everything = NeighbourSampler(adjacency, (-1, -1)).sample(np.arange(80), np.random.default_rng(0))
    whole = to_hetero_data(everything, adjacency, x)
    model = Model(whole, 2)
    truth = model(whole, trim=False)
    with torch.no_grad():
        for layer in model.layers:
            out = np.empty_like(x)
            for block in blocks(adjacency, edges_at_once=50):
                data = to_hetero_data(block, adjacency, x)
                made = layer(data.x_dict, data.edge_index_dict)
                for name in data.node_types:
                    seeds = data[name].num_sampled_nodes[0]
                    out[data[name].n_id[:seeds].numpy()] = made[name][:seeds].numpy()
            x = out
    for name in whole.node_types:
        torch.testing.assert_close(torch.from_numpy(x[whole[name].n_id.numpy()]), truth[name].detach())
