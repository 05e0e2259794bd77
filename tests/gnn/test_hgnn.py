import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.nn import HeteroConv, SAGEConv

from colisten.gnn.hgnn import HGNN, Aggregate, RelationalSAGE, Shape
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.subgraph import Subgraph, subgraph
from colisten.graph_store.stream.hetero import edge_types, to_hetero_data
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from tests.gnn import worlds

NAMES = ("audiobook", "podcast", "radio play")
KINDS = [0] * 25 + [1] * 34 + [2] + [0, 1]  # one radio play; the last two items have no edges


@pytest.fixture(scope="module")
def adjacency() -> SnapshotAdjacency:
    graph = worlds.random_graph(60, 500, KINDS[:60], NAMES)
    src = np.repeat(np.arange(60), np.diff(graph.indptr))
    once = src < graph.items
    pairs = list(zip(src[once].tolist(), graph.items[once].tolist(), strict=True))
    return worlds.graph(pairs, KINDS, NAMES, graph.weights[once])


@pytest.fixture(scope="module")
def features(adjacency: SnapshotAdjacency) -> NodeFeatures:
    return NodeFeatures(np.random.default_rng(0).normal(size=(62, 5)).astype(np.float32), adjacency.degrees)


def _model(features: NodeFeatures, aggregate: Aggregate = "max") -> HGNN:
    torch.manual_seed(0)
    return HGNN(Shape(features.width, 3, 8, 2, aggregate))


def _sample(adjacency: SnapshotAdjacency, seeds: list[int]) -> Neighbourhood:
    return NeighbourSampler(adjacency, (3, 3)).sample(np.array(seeds), np.random.default_rng(2))


def _oracle(model: HGNN, around: Neighbourhood, adjacency: SnapshotAdjacency, features: NodeFeatures) -> Tensor:
    """The same by PyG's own HeteroConv and SAGEConv, without trimming: [seeds, dim] in the neighbourhood's order."""
    data = to_hetero_data(around, adjacency, features.of(np.arange(62)))
    x = {name: data[name].x @ model.project.weight[t] + model.project.bias[t] for t, name in enumerate(NAMES)}
    for depth, layer in enumerate(model.layers):
        assert isinstance(layer, RelationalSAGE)
        heard = HeteroConv({edge: _conv(layer, edge) for edge in edge_types(NAMES)}, aggr="sum")(
            x, data.edge_index_dict
        )
        x = {name: x[name] @ layer.keep.weight[t] + layer.keep.bias[t] + heard[name] for t, name in enumerate(NAMES)}
        x = x if depth else {name: value.relu() for name, value in x.items()}
    rows = [x[NAMES[adjacency.node_type[item]]][place] for item, place in zip(around.nodes, data.place, strict=True)]
    return functional.normalize(torch.stack(rows[: around.nodes_per_hop[0]]), dim=1)


def _conv(layer: RelationalSAGE, edge: tuple[str, str, str]) -> SAGEConv:
    """Paper eq. 2 for one relation: maximum of σ(W_r h + b_r), and nothing else."""
    src, dst = NAMES.index(edge[0]), NAMES.index(edge[2])
    conv = SAGEConv((8, 8), 8, aggr="max", project=True, root_weight=False, bias=False)
    part = slice(dst * 8, dst * 8 + 8)
    with torch.no_grad():
        conv.lin.weight.copy_(layer.say.weight[src, :, part].T)
        conv.lin.bias.copy_(layer.say.bias[src, part])
        conv.lin_l.weight.copy_(torch.eye(8))
    return conv


def test_it_is_equations_2_and_3_as_pyg_computes_them_untrimmed(
    adjacency: SnapshotAdjacency, features: NodeFeatures
) -> None:
    model, around = _model(features), _sample(adjacency, [59, 3, 40, 0, 61, 60])
    graph = subgraph(around, adjacency, features.of)
    expected = _oracle(model, around, adjacency, features)
    assert sorted(graph.seeds) == sorted(around.nodes[:6])
    order = [around.nodes[:6].tolist().index(seed) for seed in graph.seeds]
    torch.testing.assert_close(model(graph), expected[order], atol=1e-5, rtol=1e-4)


def test_the_weighted_mean_is_one(adjacency: SnapshotAdjacency, features: NodeFeatures) -> None:
    graph = subgraph(_sample(adjacency, [0, 30, 59]), adjacency, features.of)
    matrix = graph.adjacency(1, weighted=True)
    dense, x = matrix.to_dense().numpy(), torch.rand(matrix.shape[1], 4)
    sums = dense.sum(axis=1)
    assert np.allclose(sums[sums > 0], 1, atol=1e-6)
    np.testing.assert_allclose(
        RelationalSAGE(4, 3, "mean").message_and_aggregate(matrix, x), dense @ x.numpy(), atol=1e-5
    )


@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_without_a_sparse_product_the_same_comes_out(
    adjacency: SnapshotAdjacency, features: NodeFeatures, aggregate: Aggregate
) -> None:
    """What a GPU does, on the CPU."""
    graph = subgraph(_sample(adjacency, [0, 30, 59]), adjacency, features.of)
    matrix = graph.adjacency(0, weighted=aggregate == "mean")
    x, layer = torch.rand(matrix.shape[1], 4), RelationalSAGE(4, 3, aggregate)
    said = x[matrix.col_indices()] * matrix.values()[:, None]
    expected = layer.message_and_aggregate(matrix, x)
    torch.testing.assert_close(layer.gather(said, matrix.crow_indices()), expected)


def test_the_gradient_reaches_every_parameter(adjacency: SnapshotAdjacency, features: NodeFeatures) -> None:
    model = _model(features)
    graph = subgraph(_sample(adjacency, list(range(60))), adjacency, features.of)
    (model(graph) * torch.randn(60, 8)).sum().backward()
    for name, parameter in model.named_parameters():
        for kind in range(3):
            assert parameter.grad is not None
            # Among radio plays there is only one: nothing is said from one to another, and that block stays untouched.
            block = parameter.grad[kind]
            if ".say." in name and kind == 2:
                block = block[..., :16]
            assert block.any(), (name, kind)


def test_what_lies_beyond_the_hops_makes_no_difference(adjacency: SnapshotAdjacency, features: NodeFeatures) -> None:
    model, around = _model(features), _sample(adjacency, [3, 40])
    graph = subgraph(around, adjacency, features.of)
    expected = model(graph)
    wider = Subgraph(**{**vars(graph), "features": graph.features.clone()})
    wider.features[len(graph.nodes) - 1] += 100
    assert not torch.equal(model(wider), expected)  # the last hop is heard …
    isolated = subgraph(_sample(adjacency, [60, 61]), adjacency, features.of)
    assert isolated.nodes_per_hop == (2, 0, 0)
    assert torch.isfinite(model(isolated)).all()  # … and nobody at all is fine too
