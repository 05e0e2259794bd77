"""The heterogeneous GraphSAGE of the paper (4.1.2), as PyTorch Geometric modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import HeteroLinear, MessagePassing
from torch_geometric.utils import segment

from colisten.gnn.subgraph import Subgraph

Aggregate = Literal["max", "mean"]


@dataclass(frozen=True)
class Shape:
    """All that the model's parameters depend on."""

    features: int
    node_types: int
    dim: int
    layers: int
    aggregate: Aggregate


class RelationalSAGE(MessagePassing):  # type: ignore[misc]  # PyG is untyped
    """One layer, before its last σ: W_c h_c + b + Σ_r AGG_{n ∈ N_r(c)} σ(W_r h_n + b_r), paper eq. 2–3.

    A relation r is a directed pair of node types, and AGG the element-wise maximum of the paper or the weighted mean.
    All relations go through one sparse product: a node has one message per node type it can send to, and one row of
    the adjacency per node type it can hear from.
    """

    def __init__(self, dim: int, node_types: int, aggregate: Aggregate) -> None:
        super().__init__(aggr="max" if aggregate == "max" else "sum")
        self.node_types = node_types
        self.say = HeteroLinear(dim, node_types * dim, node_types)
        self.keep = HeteroLinear(dim, dim, node_types)

    def forward(self, x: Tensor, node_type: Tensor, adjacency: Tensor) -> Tensor:
        """[nodes, dim] → [m, dim] for the first m nodes, those that `adjacency` [m·types, nodes·types] has rows for."""
        said = self.say(x, node_type).relu().view(-1, x.shape[1])
        heard: Tensor = self.propagate(adjacency, x=said)
        heard = heard.view(-1, self.node_types, x.shape[1]).sum(dim=1)
        kept: Tensor = self.keep(x[: len(heard)], node_type[: len(heard)])
        return kept + heard

    def message_and_aggregate(self, edge_index: Tensor, x: Tensor) -> Tensor:
        """The sparse product, with the sum or maximum per row; 0 for a row without entries."""
        if edge_index.device.type == "cpu" or self.aggr == "sum":
            return torch.sparse.mm(edge_index, x, "amax") if self.aggr == "max" else edge_index @ x
        heard: Tensor = segment(x[edge_index.col_indices()], edge_index.crow_indices(), reduce="max")
        return heard


class HGNN(nn.Module):
    """Features of a subgraph's nodes to embeddings of its seeds, of length 1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.project = HeteroLinear(shape.features, shape.dim, shape.node_types)
        self.layers = nn.ModuleList(
            RelationalSAGE(shape.dim, shape.node_types, shape.aggregate) for _ in range(shape.layers)
        )

    def forward(self, graph: Subgraph) -> Tensor:
        """[seeds, dim]; each layer computes only the nodes that the layers after it need."""
        x: Tensor = self.project(graph.features, graph.node_type)
        for depth in range(self.shape.layers):
            x = self.hop(depth, x, graph, hops=self.shape.layers - 1 - depth)
        return functional.normalize(x, dim=1)

    def hop(self, depth: int, x: Tensor, graph: Subgraph, hops: int) -> Tensor:
        """Layer `depth` for the nodes within `hops` of the seeds; no σ after the last one, so that no item is zero."""
        adjacency = graph.adjacency(hops, weighted=self.shape.aggregate == "mean")
        out: Tensor = self.layers[depth](x, graph.node_type[: len(x)], adjacency)
        return out if depth == self.shape.layers - 1 else out.relu()
