"""The graph model interface: any PyG module over `x_dict`, `edge_index_dict` and `edge_weight_dict` can be trained.

`gnn.model = "module:Class"` names an `nn.Module` made as `Class(metadata, in_channels, out_channels)` whose
`forward(x_dict, edge_index_dict, edge_weight_dict)` returns a tensor per node type: at least the seeds' rows, seeds
first. A `forward` that also takes `num_sampled_nodes_dict` or `num_sampled_edges_dict` is given them, for
`trim_to_layer`. A model that is `LayerWise` embeds every item by all of its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeGuard

from torch import Tensor, nn

NodeTensors = dict[str, Tensor]
"""Node type → [nodes, channels]."""
EdgeTensors = Mapping[tuple[str, str, str], Tensor]
"""Edge type → [2, edges] indices or [edges] weights."""
Metadata = tuple[list[str], list[tuple[str, str, str]]]
"""Node types and edge types, as `HeteroData.metadata()` gives them."""


class LayerWise(Protocol):
    """A model that can also be run one layer at a time, over all items in turn (layer-wise inference)."""

    num_layers: int

    def project(self, x_dict: NodeTensors) -> NodeTensors:
        """Input features → what enters the first layer."""
        ...

    def forward_layer(
        self, layer: int, x_dict: NodeTensors, edge_index_dict: EdgeTensors, edge_weight_dict: EdgeTensors,
        num_dst: Mapping[str, int],
    ) -> NodeTensors:  # fmt: skip
        """One layer for the first `num_dst` nodes of each type."""
        ...


def is_layer_wise(model: nn.Module) -> TypeGuard[LayerWise]:
    """Does it have all that `LayerWise` asks for? From Python 3.12 on, `isinstance` does not see a module's layers."""
    return all(hasattr(model, name) for name in ("num_layers", "project", "forward_layer"))
