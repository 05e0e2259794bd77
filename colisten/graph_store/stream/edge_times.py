"""When each co-listening edge was last made, for models that weigh sampled edges by time, or drop some.

Times are no part of a row: who does not ask for them reads and keeps nothing more.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import torch
from torch_geometric.data import HeteroData

from colisten.arrays import Int32s, Int64s
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.stream.edge_reading import NO_TIME
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.pyg import Places


class EdgeTimes(NamedTuple):
    """Times of the co-listening edges, looked up by their ends; 16 bytes an edge."""

    pairs: Int64s
    """[edges] ascending: lower item << 32 | higher item."""
    seconds: Int64s
    """[edges] epoch seconds, `NO_TIME` where unknown."""

    @classmethod
    def read(cls, graph: LiveAdjacency) -> Self:
        """Read the times of all edges from Neo4j.

        Raises:
            GraphError: co-listening is not streamed, or the server cannot be reached or refuses.
        """
        src, dst, seconds = graph.read_times()
        pairs = _pairs(src, dst)
        order = np.argsort(pairs, kind="stable")
        return cls(pairs[order], seconds[order])

    def of(self, src: Int64s | Int32s, dst: Int64s | Int32s) -> Int64s:
        """[e] epoch seconds of the edges between these items, whichever end comes first; `NO_TIME` where none is."""
        if not len(self.pairs):
            return np.full(len(src), NO_TIME)
        pairs = _pairs(src, dst)
        places = np.searchsorted(self.pairs, pairs).clip(max=len(self.pairs) - 1)
        return np.where(self.pairs[places] == pairs, self.seconds[places], NO_TIME)

    def add_to(self, batch: HeteroData, places: Places | None = None) -> HeteroData:
        """Give the co-listening edge types of a batch their `edge_time` [e] int64.

        `places`: of the stores, where a batch comes from PyG's loaders; None: its `n_id` are items.
        """
        items = {
            name: batch[name].n_id.numpy() if places is None else places.of_type[name][batch[name].n_id.numpy()]
            for name in batch.node_types
        }
        for src, relation, dst in batch.edge_types:
            if relation == CO_LISTENED:
                ends = batch[src, relation, dst].edge_index.numpy()
                times = self.of(items[src][ends[0]], items[dst][ends[1]])
                batch[src, relation, dst].edge_time = torch.from_numpy(times)
        return batch


def _pairs(src: Int64s | Int32s, dst: Int64s | Int32s) -> Int64s:
    ends = np.stack([src, dst]).astype(np.int64)
    found: Int64s = ends.min(axis=0) << 32 | ends.max(axis=0)
    return found
