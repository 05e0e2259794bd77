"""The heterogeneous GraphSAGE of the paper (4.1.2), as PyTorch Geometric modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import segment

from colisten.gnn.subgraph import Segments, Subgraph

Aggregate = Literal["max", "mean"]


@dataclass(frozen=True)
class Shape:
    """All that the model's parameters depend on."""

    features: int
    node_types: int
    dim: int
    layers: int
    aggregate: Aggregate


class TypedLinear(nn.Module):
    """x W_t + b_t with weights per node type."""

    def __init__(self, width: int, out: int, types: int) -> None:
        super().__init__()
        bound = (3 / width) ** 0.5  # keeps the variance of what goes through
        self.weight = nn.Parameter(torch.empty(types, width, out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(types, out))

    def forward(self, x: Tensor, segments: Segments) -> Tensor:
        """[n, width] → [n, out] for nodes that come in runs of one type."""
        parts = torch.split(x, [size for _, size in segments])
        out = [torch.addmm(self.bias[t], part, self.weight[t]) for (t, _), part in zip(segments, parts, strict=True)]
        return torch.cat(out)


class RelationalSAGE(MessagePassing):  # type: ignore[misc]  # PyG is untyped
    """One layer, before its last σ: W_c h_c + b + Σ_r AGG_{n ∈ N_r(c)} σ(W_r h_n + b_r), paper eq. 2–3.

    A relation r is a directed pair of node types, and AGG the element-wise maximum of the paper or the weighted mean.
    All relations go through one sparse product: a node has one message per node type it can send to, and one row of
    the adjacency per node type it can hear from.
    """

    def __init__(self, dim: int, types: int, aggregate: Aggregate) -> None:
        super().__init__(aggr="max" if aggregate == "max" else "sum")
        self.types = types
        self.say = TypedLinear(dim, types * dim, types)
        self.keep = TypedLinear(dim, dim, types)

    def forward(self, x: Tensor, adjacency: Tensor, speakers: Segments, listeners: Segments) -> Tensor:
        """[n, dim] → [m, dim] for the first m nodes, those that `adjacency` [m · types, n · types] has rows for."""
        said = self.say(x, speakers).relu().view(-1, x.shape[1])
        heard: Tensor = self.propagate(adjacency, x=said).view(-1, self.types, x.shape[1]).sum(dim=1)
        kept: Tensor = self.keep(x[: len(heard)], listeners)
        return heard + kept

    def message_and_aggregate(self, edge_index: Tensor, x: Tensor) -> Tensor:
        """The sparse product, with the sum or maximum per row; 0 for a row without entries."""
        if x.device.type == "cpu":
            heard: Tensor = torch.sparse.mm(edge_index, x, "amax" if self.aggr == "max" else "sum")
            return heard
        said = x[edge_index.col_indices()] * edge_index.values()[:, None]
        return self.gather(said, edge_index.crow_indices())

    def gather(self, said: Tensor, rows: Tensor) -> Tensor:
        """The same without a sparse product, which knows no maximum on a GPU."""
        heard: Tensor = segment(said, rows, reduce=self.aggr)
        return heard


class HGNN(nn.Module):
    """Features of a subgraph's nodes to embeddings of its seeds, of length 1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.project = TypedLinear(shape.features, shape.dim, shape.node_types)
        self.layers = nn.ModuleList(
            RelationalSAGE(shape.dim, shape.node_types, shape.aggregate) for _ in range(shape.layers)
        )

    def forward(self, graph: Subgraph) -> Tensor:
        """[seeds, dim]; each layer computes only the nodes that the layers after it need."""
        layers = self.shape.layers
        x: Tensor = self.project(graph.features, graph.segments(layers))
        for depth in range(layers):
            x = self.hop(depth, x, graph, hops=layers - 1 - depth)
        return functional.normalize(x, dim=1)

    def hop(self, depth: int, x: Tensor, graph: Subgraph, hops: int) -> Tensor:
        """Layer `depth` for the nodes within `hops` of the seeds; no σ after the last one, so that no item is zero."""
        adjacency = graph.adjacency(hops, weighted=self.shape.aggregate == "mean")
        out: Tensor = self.layers[depth](x, adjacency, graph.segments(hops + 1), graph.segments(hops))
        return out if depth == self.shape.layers - 1 else out.relu()
