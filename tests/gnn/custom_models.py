"""Graph models that somebody else might bring: PyG's own convolutions behind the interface of `gnn.model`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, GraphConv, HeteroConv, HGTConv, Linear, to_hetero
from torch_geometric.utils import trim_to_layer

from colisten.gnn.interface import EdgeTensors, Metadata, NodeTensors


class HGT(nn.Module):
    """Heterogeneous graph transformer (Hu et al., 2020)."""

    def __init__(self, metadata: Metadata, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleDict({name: nn.Linear(in_channels, out_channels) for name in metadata[0]})
        self.convs = nn.ModuleList(HGTConv(out_channels, out_channels, metadata, heads=2) for _ in range(2))

    def forward(self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors) -> NodeTensors:
        x_dict = {name: self.project[name](x).relu() for name, x in x_dict.items()}
        for conv in self.convs:
            x_dict = conv(x_dict, edge_index_dict)
        return x_dict


class _GAT(nn.Module):
    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.first = GATv2Conv((-1, -1), out_channels, add_self_loops=False)
        self.own = Linear(-1, out_channels)
        self.second = GATv2Conv((-1, -1), out_channels, add_self_loops=False)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = (self.first(x, edge_index) + self.own(x)).relu()
        found: Tensor = x + self.second(x, edge_index)
        return found


class GAT(nn.Module):
    """Graph attention (Brody et al., 2022), made heterogeneous by `to_hetero`; its layers size themselves."""

    def __init__(self, metadata: Metadata, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.model = to_hetero(_GAT(out_channels), metadata)

    def forward(self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors) -> NodeTensors:
        found: NodeTensors = self.model(x_dict, edge_index_dict)
        return found


class Trimmed(nn.Module):
    """Weighted graph convolutions that compute no more than the seeds need."""

    def __init__(self, metadata: Metadata, in_channels: int, out_channels: int) -> None:
        super().__init__()
        widths = (in_channels, out_channels)
        self.convs = nn.ModuleList(
            HeteroConv({edge_type: GraphConv(width, out_channels) for edge_type in metadata[1]}) for width in widths
        )

    def forward(
        self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors,
        num_sampled_nodes_dict: dict[str, list[int]], num_sampled_edges_dict: dict[tuple[str, str, str], list[int]],
    ) -> NodeTensors:  # fmt: skip
        for layer, conv in enumerate(self.convs):
            x_dict, edge_index_dict, edge_weight_dict = trim_to_layer(
                layer, num_sampled_nodes_dict, num_sampled_edges_dict, x_dict, edge_index_dict, edge_weight_dict
            )
            x_dict = conv(x_dict, edge_index_dict, edge_weight_dict)
        return {name: x[: num_sampled_nodes_dict[name][0]] for name, x in x_dict.items()}


class TakesNothing(nn.Module):
    """Cannot be made."""


class _Made(nn.Module):
    def __init__(self, metadata: Metadata, in_channels: int, out_channels: int) -> None:
        super().__init__()


class ReturnsATensor(_Made):
    def forward(self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors) -> Tensor:
        return next(iter(x_dict.values()))


class ForgetsAType(_Made):
    def forward(self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors) -> NodeTensors:
        return dict(list(x_dict.items())[:1])


class TooWide(_Made):
    def forward(self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors) -> NodeTensors:
        return {name: torch.cat([x] * 9, dim=1) for name, x in x_dict.items()}


class LosesSeeds(_Made):
    def __init__(self, metadata: Metadata, in_channels: int, out_channels: int) -> None:
        super().__init__(metadata, in_channels, out_channels)
        self.lin = nn.Linear(in_channels, out_channels)

    def forward(self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors) -> NodeTensors:
        return {name: self.lin(x)[1:] for name, x in x_dict.items()}


class WantsMore(_Made):
    def forward(
        self, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_time_dict: EdgeTensors, more: int
    ) -> Tensor:
        return next(iter(x_dict.values()))


NotAClass = "a string"
