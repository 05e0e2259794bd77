"""A sampled neighbourhood as the tensors that the model works on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from colisten.arrays import Floats, Int64s
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.ragged import offsets

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")

Segments = list[tuple[int, int]]
"""Runs of nodes of one type: (node type, how many)."""


@dataclass(frozen=True)
class Subgraph:
    """`n` nodes hop by hop, seeds first, each hop ordered by node type, and the messages between them, in CSR.

    Row `node · types + t` lists what a node hears from neighbours of node type `t`; column `node · types + t` is what a
    node says to those of node type `t`. Nodes of the last hop have no rows.
    """

    nodes: Int64s
    """[n] items."""
    features: Tensor
    """[n, width] float32"""
    rows: Tensor
    """[heard nodes · types + 1] where each row begins."""
    columns: Tensor
    """[messages]"""
    values: Tensor
    """[messages] weights; those of a row sum to 1."""
    nodes_per_hop: tuple[int, ...]
    segments_per_hop: tuple[Segments, ...]
    types: int

    @property
    def seeds(self) -> Int64s:
        """The items that the model gives vectors of, in that order."""
        return self.nodes[: self.nodes_per_hop[0]]

    def segments(self, hops: int) -> Segments:
        """The runs of node types among the nodes within `hops` of the seeds."""
        return list(chain.from_iterable(self.segments_per_hop[: hops + 1]))

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
        names = ("features", "rows", "columns", "values")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def subgraph(around: Neighbourhood, adjacency: Adjacency, features: Callable[[Int64s], Floats]) -> Subgraph:
    """Order nodes by hop and type, and messages into rows; `features` gives [n, width] for n items."""
    types = len(adjacency.node_types)
    kind = adjacency.node_type[around.nodes].astype(np.int64)
    hop = np.repeat(np.arange(len(around.nodes_per_hop)), around.nodes_per_hop)
    order = np.argsort(hop * types + kind, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rows, columns, values = _in_rows(around, place, kind, types)
    counts = np.bincount(hop * types + kind, minlength=len(around.nodes_per_hop) * types).reshape(-1, types)
    nodes = around.nodes[order]
    return Subgraph(
        nodes=nodes,
        features=torch.from_numpy(features(nodes)),
        rows=torch.from_numpy(rows),
        columns=torch.from_numpy(columns),
        values=torch.from_numpy(values),
        nodes_per_hop=around.nodes_per_hop,
        segments_per_hop=tuple(_runs(row) for row in counts.tolist()),
        types=types,
    )


def _runs(counts: list[int]) -> Segments:
    """Nodes ordered by type as runs, from how many there are of each type."""
    return [(code, size) for code, size in enumerate(counts) if size]


def _in_rows(around: Neighbourhood, place: Int64s, kind: Int64s, types: int) -> tuple[Int64s, Int64s, Floats]:
    """Messages sorted by destination and source type: where rows begin, columns, weights that sum to 1 per row."""
    heard = sum(around.nodes_per_hop[:-1]) * types
    row = place[around.dst] * types + kind[around.src]
    order = np.argsort(row, kind="stable")
    columns = (place[around.src] * types + kind[around.dst])[order]
    total = np.bincount(row, around.weight, minlength=heard)
    weights = (around.weight / total[row]).astype(np.float32)[order]
    return offsets(np.bincount(row, minlength=heard)), columns, weights
