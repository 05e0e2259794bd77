"""Heterogeneous GraphSAGE (paper 4.1.2): weights per node type and per edge type, a weighted mean or maximum."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.utils import segment

from colisten.gnn.interface import EdgeTensors, Metadata, NodeTensors

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")

Aggregate = Literal["max", "mean"]
_LEAST = 1e-3
"""Of the mean eigenvalue: what varies less is noise, not to be blown up."""


class TypedLinear(nn.Module):
    """x W_t + b_t with weights per node type."""

    def __init__(self, in_channels: int, out_channels: int, node_types: Sequence[str]) -> None:
        super().__init__()
        bound = (3 / in_channels) ** 0.5  # keeps the variance of what goes through
        self.types = {name: code for code, name in enumerate(node_types)}
        self.weight = nn.Parameter(torch.empty(len(node_types), in_channels, out_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(len(node_types), out_channels))

    def forward(self, x_dict: NodeTensors) -> NodeTensors:
        """[n, in_channels] → [n, out_channels] for the nodes of each type."""
        return self._transform(x_dict, self.weight, self.bias)

    def _transform(self, x_dict: NodeTensors, weight: Tensor, bias: Tensor) -> NodeTensors:
        return {name: torch.addmm(bias[code], x_dict[name], weight[code]) for name, code in self.types.items()}


class WhitenedLinear(TypedLinear):
    """The same of features that are centred and less correlated: (x − m) M W_t + b_t; after M their mean variance is 1.

    Text vectors all point one way more than another, and what tells items apart lies in their small directions. By M
    the model learns the same in a third of the steps. M W_t is one small matrix, so that a step costs no more.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, in_channels: int, out_channels: int, node_types: Sequence[str]) -> None:
        super().__init__(in_channels, out_channels, node_types)
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("whitening", torch.eye(in_channels))

    def fit(self, x: Tensor, degree: float) -> None:
        """Take m and M from the covariance V diag(λ) Vᵀ of features [n, in_channels]: M ∝ V diag(λ)^(−`degree` / 2)."""
        mean = x.double().mean(dim=0)
        values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
        values = values.clamp(min=max(_LEAST * float(values.mean()), torch.finfo(torch.float32).tiny))
        scale = values.pow(1 - degree).mean().rsqrt()
        self.mean.copy_(mean)
        self.whitening.copy_(vectors * values.pow(-degree / 2) * scale)

    def forward(self, x_dict: NodeTensors) -> NodeTensors:
        """[n, in_channels] → [n, out_channels] for the nodes of each type."""
        weight = self.whitening @ self.weight
        return self._transform(x_dict, weight, self.bias - self.mean @ weight)


class RelationalSAGE(nn.Module):
    """One layer, before its last σ: W_c h_c + b + Σ_r AGG_{n ∈ N_r(c)} σ(W_r h_n + b_r), paper eq. 2–3.

    r is an edge type, and AGG the element-wise maximum of the paper or the weighted mean. Edge type by edge type, those
    that send along it get their messages, and a sparse product takes these to whom they reach: most nodes of a batch
    are neighbours of a neighbour and send along one edge type of many.
    """

    def __init__(self, metadata: Metadata, channels: int, aggregate: Aggregate) -> None:
        super().__init__()
        node_types, edge_types = metadata
        self.relations = list(dict.fromkeys(relation for _, relation, _ in edge_types))
        self.node_types, self.aggregate = list(node_types), aggregate
        self.message_lin = TypedLinear(channels, len(self.relations) * len(node_types) * channels, node_types)
        self.self_lin = TypedLinear(channels, channels, node_types)
        with torch.no_grad():  # the sum over edge types then has the variance that one message has
            self.message_lin.weight.div_((len(self.relations) * len(node_types)) ** 0.5)

    def forward(
        self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors,
        num_dst: Mapping[str, int],
    ) -> NodeTensors:  # fmt: skip
        """[n, channels] → [num_dst, channels] for the first `num_dst` nodes of each type.

        Edges come ordered by destination within each edge type, as `to_hetero_data` gives them; others are sorted here.
        """
        out: NodeTensors = self.self_lin({name: x[: num_dst[name]] for name, x in x_dict.items()})
        for edge_type in product(self.node_types, self.relations, self.node_types):
            (src, dst), weight = edge_index_dict[edge_type], edge_weight_dict[edge_type]
            x, rows = x_dict[edge_type[0]], num_dst[edge_type[2]]
            if rows < len(x_dict[edge_type[2]]):
                near = dst < rows
                src, dst, weight = src[near], dst[near], weight[near]
            if len(src):
                nodes, senders = _distinct(src, len(x))
                adjacency = self.adjacency(senders, dst, weight, (rows, len(nodes)))
                out[edge_type[2]] += self.propagate(adjacency, self.message(edge_type, x.index_select(0, nodes)))
        return out

    def message(self, edge_type: tuple[str, str, str], x: Tensor) -> Tensor:
        """[n, channels] σ(W_r h_n + b_r) of nodes that send along an edge type."""
        src_type, relation, dst_type = edge_type
        src, channels = self.node_types.index(src_type), x.shape[1]
        first = channels * (self.relations.index(relation) * len(self.node_types) + self.node_types.index(dst_type))
        part = slice(first, first + channels)
        return torch.addmm(self.message_lin.bias[src, part], x, self.message_lin.weight[src, :, part]).relu()

    def adjacency(self, senders: Tensor, dst: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
        """The edges of one type as a CSR tensor [destinations, senders]; with the mean, a row's weights sum to 1."""
        if not bool((dst[1:] >= dst[:-1]).all()):
            dst, order = dst.sort(stable=True)
            senders, weight = senders[order], weight[order]
        indptr = torch.zeros(size[0] + 1, dtype=torch.int64, device=dst.device)
        torch.cumsum(torch.bincount(dst, minlength=size[0]), dim=0, out=indptr[1:])
        if self.aggregate == "mean":
            total = torch.zeros(size[0], dtype=torch.float64, device=dst.device).index_add_(0, dst, weight.double())
            weight = (weight / total[dst]).float()
        else:
            weight = torch.ones_like(weight)
        return torch.sparse_csr_tensor(indptr, senders, weight, size=size, check_invariants=False)

    def propagate(self, adjacency: Tensor, messages: Tensor) -> Tensor:
        """The sparse product, with the sum or maximum per row; 0 for a row without entries."""
        if messages.device.type == "cpu":
            received: Tensor = torch.sparse.mm(adjacency, messages, "amax" if self.aggregate == "max" else "sum")
            return received
        return self.gather(adjacency, messages)

    def gather(self, adjacency: Tensor, messages: Tensor) -> Tensor:
        """The same without a sparse product, which knows no maximum on a GPU."""
        sent = messages[adjacency.col_indices()] * adjacency.values()[:, None]
        received: Tensor = segment(sent, adjacency.crow_indices(), reduce="max" if self.aggregate == "max" else "sum")
        return received


def _distinct(values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The distinct values below `size`, ascending, and the place of each value among them."""
    there = torch.zeros(size, dtype=torch.bool, device=values.device)
    there[values] = True
    return there.nonzero()[:, 0], (there.cumsum(0) - 1)[values]


class HGNN(nn.Module):
    """Node features to node embeddings: a projection per node type, then `num_layers` of `RelationalSAGE`."""

    def __init__(
        self, metadata: Metadata, in_channels: int, out_channels: int, *, num_layers: int = 2,
        aggregate: Aggregate = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.project = WhitenedLinear(in_channels, out_channels, metadata[0])
        self.layers = nn.ModuleList(RelationalSAGE(metadata, out_channels, aggregate) for _ in range(num_layers))
        self.num_layers = num_layers

    def forward(
        self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors,
        num_sampled_nodes_dict: Mapping[str, Sequence[int]] | None = None,
    ) -> NodeTensors:  # fmt: skip
        """[n, in_channels] → [n, out_channels] per node type; given how many nodes each hop sampled, the seeds alone.

        Then each layer computes only the nodes that the layers after it need.
        """
        x_dict = self.project(x_dict)
        for layer in range(self.num_layers):
            hops = self.num_layers - layer  # a node further away reaches no seed any more
            num_dst = {
                name: sum(num_sampled_nodes_dict[name][:hops]) if num_sampled_nodes_dict else len(x)
                for name, x in x_dict.items()
            }
            x_dict = self.forward_layer(layer, x_dict, edge_index_dict, edge_weight_dict, num_dst)
        return x_dict

    def forward_layer(
        self, layer: int, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors,
        num_dst: Mapping[str, int],
    ) -> NodeTensors:  # fmt: skip
        """One layer for the first `num_dst` nodes of each type; no σ after the last one, so that no item is zero."""
        out: NodeTensors = self.layers[layer](x_dict, edge_index_dict, edge_weight_dict, num_dst)
        return out if layer == self.num_layers - 1 else {name: x.relu() for name, x in out.items()}
