"""A sampled neighbourhood as the tensors that the model works on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from colisten.arrays import Codes, Floats
from colisten.graph_store.stream.adjacency import offsets
from colisten.graph_store.stream.neighbourhood import Neighbourhood

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


@dataclass(frozen=True)
class Subgraph:
    """`n` nodes hop by hop, seeds first, and the messages between them, as one sparse matrix in CSR.

    Row `node · types + t` lists what a node hears from neighbours of node type `t`; column `node · types + t` is what a
    node says to those of node type `t`. Nodes of the last hop have no rows.
    """

    node_type: Tensor
    """[n] int64"""
    features: Tensor
    """[n, width] float32"""
    rows: Tensor
    """[heard nodes · types + 1] where each row begins."""
    columns: Tensor
    """[messages]"""
    values: Tensor
    """[messages] weights; those of a row sum to 1."""
    nodes_per_hop: tuple[int, ...]
    types: int

    def adjacency(self, hops: int, *, weighted: bool) -> Tensor:
        """What the nodes within `hops` of the seeds hear, a CSR tensor [those nodes · types, m · types].

        The first `m` nodes can speak: those within one hop more.
        """
        heard = sum(self.nodes_per_hop[: hops + 1]) * self.types
        rows = self.rows[: heard + 1]
        columns = self.columns[: int(rows[-1])]
        values = self.values[: len(columns)] if weighted else self.values.new_ones(len(columns))
        size = (heard, sum(self.nodes_per_hop[: hops + 2]) * self.types)
        return torch.sparse_csr_tensor(rows, columns, values, size=size, check_invariants=False)

    def to(self, device: torch.device) -> Subgraph:
        """The same on another device."""
        names = ("node_type", "features", "rows", "columns", "values")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def subgraph(neighbourhood: Neighbourhood, node_type: Codes, types: int, features: Floats) -> Subgraph:
    """Sort messages into rows; `node_type` [n] and `features` [n, width] are those of the neighbourhood's nodes."""
    src, dst = neighbourhood.src, neighbourhood.dst
    kind = node_type.astype(np.int64)
    row = dst * types + kind[src]
    order = np.argsort(row, kind="stable")
    row, src, dst, weight = row[order], src[order], dst[order], neighbourhood.weight[order]
    heard = sum(neighbourhood.nodes_per_hop[:-1]) * types
    total = np.bincount(row, weight, minlength=heard)
    return Subgraph(
        node_type=torch.from_numpy(kind),
        features=torch.from_numpy(features),
        rows=torch.from_numpy(offsets(np.bincount(row, minlength=heard))),
        columns=torch.from_numpy(src * types + kind[dst]),
        values=torch.from_numpy((weight / total[row]).astype(np.float32)),
        nodes_per_hop=neighbourhood.nodes_per_hop,
        types=types,
    )
