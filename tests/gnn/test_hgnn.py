"""The built-in model against PyG's own convolutions, and what trimming and sparse products may not change."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv

from colisten.gnn.hgnn import HGNN, Aggregate, RelationalSAGE, WhitenedLinear
from colisten.gnn.model import seed_vectors
from colisten.gnn.node_features import NodeFeatures
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from tests.gnn import worlds

NAMES = ("audiobook", "podcast", "radio play")
RELATIONS = (CO_LISTENED, "same_mood")
KINDS = [0] * 25 + [1] * 34 + [2] + [0, 1]  # one radio play; the last two items have no edges
CHANNELS = 8


@pytest.fixture(scope="module", params=[1, 2], ids=["one relation", "two relations"])
def adjacency(request: pytest.FixtureRequest) -> SnapshotAdjacency:
    """With two relations some pairs of items are joined by both."""
    graph = worlds.random_graph(60, 500, KINDS[:60], NAMES)
    src = np.repeat(np.arange(60), np.diff(graph.indptr)).astype(np.int32)
    once = src < graph.items
    src, dst, weight = src[once], graph.items[once], graph.weights[once]
    if request.param == 1:
        return SnapshotAdjacency.from_edges(
            src, dst, weight, node_type=np.array(KINDS, np.uint8), node_types=NAMES, version="1"
        )
    again = slice(0, len(src), 3)
    return SnapshotAdjacency.from_edges(
        np.concatenate([src, src[again]]), np.concatenate([dst, dst[again]]),
        np.concatenate([weight, weight[again][::-1]]), node_type=np.array(KINDS, np.uint8), node_types=NAMES,
        relation=np.repeat([0, 1], [len(src), len(src[again])]).astype(np.uint8), relations=RELATIONS, version="1",
    )  # fmt: skip


@pytest.fixture(scope="module")
def features(adjacency: SnapshotAdjacency) -> NodeFeatures:
    return NodeFeatures(np.random.default_rng(0).normal(size=(62, 5)).astype(np.float32), adjacency.degrees)


def _model(adjacency: SnapshotAdjacency, features: NodeFeatures, aggregate: Aggregate = "max") -> HGNN:
    torch.manual_seed(0)
    return HGNN(_metadata(adjacency), features.width, CHANNELS, aggregate=aggregate)


def _metadata(adjacency: SnapshotAdjacency) -> tuple[list[str], list[tuple[str, str, str]]]:
    return list(adjacency.node_types), [(src, relation, dst) for src, relation, dst in adjacency.edge_types]


def _sample(adjacency: SnapshotAdjacency, seeds: list[int]) -> Neighbourhood:
    return NeighbourSampler(adjacency, (3, 3)).sample(np.array(seeds), np.random.default_rng(2))


def _batch(adjacency: SnapshotAdjacency, features: NodeFeatures, seeds: list[int]) -> HeteroData:
    return to_hetero_data(_sample(adjacency, seeds), adjacency, features.of)


def _oracle(model: HGNN, data: HeteroData, adjacency: SnapshotAdjacency) -> dict[str, Tensor]:
    """The same by PyG's own HeteroConv and SAGEConv, without trimming."""
    x = {name: data[name].x @ model.project.weight[t] + model.project.bias[t] for t, name in enumerate(NAMES)}
    for depth, layer in enumerate(model.layers):
        assert isinstance(layer, RelationalSAGE)
        convs = {edge_type: _conv(layer, edge_type) for edge_type in adjacency.edge_types}
        received = HeteroConv(convs, aggr="sum")(x, data.edge_index_dict)
        own = {name: x[name] @ layer.self_lin.weight[t] + layer.self_lin.bias[t] for t, name in enumerate(NAMES)}
        x = {name: own[name] + received[name] for name in NAMES}
        x = x if depth else {name: value.relu() for name, value in x.items()}
    return x


def _conv(layer: RelationalSAGE, edge_type: EdgeType) -> SAGEConv:
    """Paper eq. 2 for one edge type: maximum of σ(W_r h + b_r), and nothing else."""
    src, dst = NAMES.index(edge_type.src), NAMES.index(edge_type.dst)
    conv = SAGEConv((CHANNELS, CHANNELS), CHANNELS, aggr="max", project=True, root_weight=False, bias=False)
    first = (layer.relations.index(edge_type.relation) * len(NAMES) + dst) * CHANNELS
    part = slice(first, first + CHANNELS)
    with torch.no_grad():
        conv.lin.weight.copy_(layer.message_lin.weight[src, :, part].T)
        conv.lin.bias.copy_(layer.message_lin.bias[src, part])
        conv.lin_l.weight.copy_(torch.eye(CHANNELS))
    return conv


def test_it_is_equations_2_and_3_as_pyg_computes_them_untrimmed(
    adjacency: SnapshotAdjacency, features: NodeFeatures
) -> None:
    model, data = _model(adjacency, features), _batch(adjacency, features, [59, 3, 40, 0, 61, 60])
    expected = _oracle(model, data, adjacency)
    whole = model(data.x_dict, data.edge_index_dict, data.edge_weight_dict)
    trimmed = model(data.x_dict, data.edge_index_dict, data.edge_weight_dict, data.num_sampled_nodes_dict)
    for name in NAMES:
        torch.testing.assert_close(whole[name], expected[name], atol=1e-5, rtol=1e-4)
        seeds = data[name].num_sampled_nodes[0]
        assert len(trimmed[name]) == seeds
        torch.testing.assert_close(trimmed[name], expected[name][:seeds], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_the_order_of_edges_makes_no_difference(
    adjacency: SnapshotAdjacency, features: NodeFeatures, aggregate: Aggregate
) -> None:
    model, data = _model(adjacency, features, aggregate), _batch(adjacency, features, list(range(0, 60, 4)))
    expected = seed_vectors(model, data)
    for edge_type in data.edge_types:
        order = torch.randperm(data[edge_type].edge_index.shape[1])
        data[edge_type].edge_index = data[edge_type].edge_index[:, order]
        data[edge_type].edge_weight = data[edge_type].edge_weight[order]
    torch.testing.assert_close(seed_vectors(model, data), expected, atol=1e-5, rtol=1e-4)


def _matrices(adjacency: SnapshotAdjacency, features: NodeFeatures, layer: RelationalSAGE) -> list[Tensor]:
    """The edges of a batch, edge type by edge type."""
    data = _batch(adjacency, features, [0, 30, 59])
    types = [edge_type for edge_type in data.edge_types if data[edge_type].num_edges]
    sizes = [(data[dst].num_nodes, data[src].num_nodes) for src, _, dst in types]
    ends = [data[edge_type].edge_index for edge_type in types]
    return [
        layer.adjacency(src, dst, data[edge_type].edge_weight, size)
        for edge_type, (src, dst), size in zip(types, ends, sizes, strict=True)
    ]


def test_the_weighted_mean_is_one_per_edge_type(adjacency: SnapshotAdjacency, features: NodeFeatures) -> None:
    layer = RelationalSAGE(_metadata(adjacency), 4, "mean")
    for matrix in _matrices(adjacency, features, layer):
        dense, messages = matrix.to_dense().numpy(), torch.rand(matrix.shape[1], 4)
        sums = dense.sum(axis=1)
        assert np.allclose(sums[sums > 0], 1, atol=1e-6)
        assert (dense > 0).sum() == len(matrix.values())
        np.testing.assert_allclose(layer.propagate(matrix, messages), dense @ messages.numpy(), atol=1e-5)


@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_without_a_sparse_product_the_same_comes_out(
    adjacency: SnapshotAdjacency, features: NodeFeatures, aggregate: Aggregate
) -> None:
    """What a GPU does, on the CPU."""
    layer = RelationalSAGE(_metadata(adjacency), 4, aggregate)
    for matrix in _matrices(adjacency, features, layer):
        messages = torch.rand(matrix.shape[1], 4)
        torch.testing.assert_close(layer.gather(matrix, messages), layer.propagate(matrix, messages))


def _correlated(width: int) -> Tensor:
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=(5000, width)) @ (rng.normal(size=(width, width)) * np.linspace(0.5, 2, width))
    return torch.from_numpy((mixed + rng.normal(size=width)).astype(np.float32))


@pytest.mark.parametrize("degree", [0.6, 1.0])
def test_whitened_features_are_centred_and_less_correlated(degree: float) -> None:
    x, linear = _correlated(6), WhitenedLinear(6, 3, NAMES)
    linear.fit(x, degree)
    white = ((x - linear.mean) @ linear.whitening).numpy()
    before, after = (np.sort(np.linalg.eigvalsh(np.cov(each.T, bias=True))) for each in (x.numpy(), white))
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(after, before ** (1 - degree) / (before ** (1 - degree)).mean(), rtol=1e-3)
    expected = torch.from_numpy(white) @ linear.weight[1] + linear.bias[1]
    torch.testing.assert_close(linear(dict.fromkeys(NAMES, x))[NAMES[1]], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("x", [torch.zeros(4, 5), torch.ones(1, 5), torch.rand(2, 5).repeat(3, 1)])
def test_features_that_hardly_vary_stay_finite(x: Tensor) -> None:
    linear = WhitenedLinear(5, 3, NAMES)
    linear.fit(x, 1.0)
    assert all(torch.isfinite(found).all() for found in linear(dict.fromkeys(NAMES, x)).values())


def test_the_gradient_reaches_every_parameter(adjacency: SnapshotAdjacency, features: NodeFeatures) -> None:
    model = _model(adjacency, features)
    vectors = seed_vectors(model, _batch(adjacency, features, list(range(60))))
    torch.autograd.backward((vectors * torch.randn(60, CHANNELS)).sum())
    for name, parameter in model.named_parameters():
        for kind in range(3):
            assert parameter.grad is not None
            # Among radio plays there is only one, so none sends a message to another: that block stays untouched.
            block = parameter.grad[kind]
            if ".message_lin." in name and kind == 2:
                block = block[..., : 2 * CHANNELS]
            assert block.any(), (name, kind)


def test_what_lies_beyond_the_hops_makes_no_difference(adjacency: SnapshotAdjacency, features: NodeFeatures) -> None:
    model = _model(adjacency, features)
    data = _batch(adjacency, features, [3, 40])
    expected = seed_vectors(model, data)
    furthest = next(name for name in NAMES if data[name].num_sampled_nodes[2])
    data[furthest].x = data[furthest].x.clone()
    data[furthest].x[-1] += 100
    assert not torch.equal(seed_vectors(model, data), expected)  # the last hop sends messages …
    isolated = _batch(adjacency, features, [60, 61])
    assert sum(data.num_edges for data in isolated.edge_stores) == 0
    assert torch.isfinite(seed_vectors(model, isolated)).all()  # … and none at all is fine too
