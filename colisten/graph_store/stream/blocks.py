"""Whole neighbourhoods of all items, piece by piece: what layer-wise inference goes over once per layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from colisten.arrays import Int64s
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.csr import cuts
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import stream


def blocks(adjacency: Adjacency, *, edges_at_once: int = 500_000, prefetch: int = 2) -> Iterator[Neighbourhood]:
    """Each item once as a seed, with all of its neighbours one hop away.

    A block has at most `edges_at_once` edges, or a single item with more; memory is bounded by that. One pass gives
    the next layer for every item from the last one; passes = layers.
    """
    length: Int64s = np.maximum(adjacency.degrees.sum(axis=1, dtype=np.int64), 1)
    pieces = np.split(np.arange(len(length)), cuts(length, edges_at_once))
    batches = [Batch(seeds, np.uint64(0)) for seeds in pieces]
    yield from stream(NeighbourSampler(adjacency, (-1,)), batches, lambda _, block: block, prefetch=prefetch)
