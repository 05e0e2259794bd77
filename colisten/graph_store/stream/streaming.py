"""An epoch as a stream of batches, sampled ahead of the model by threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np

from colisten.graph_store.stream.ahead import ahead
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler

B = TypeVar("B", bound=Batch)
R = TypeVar("R")


def batch_key(seed: int, epoch: int, index: int) -> np.uint64:
    """The key of one batch: the same whoever samples it, and whenever."""
    return np.uint64(np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0])


def share_of(batches: Sequence[B], rank: int, world_size: int) -> Sequence[B]:
    """One process's own disjoint share of an epoch; all shares are equally long (the processes step together), so up
    to `world_size` - 1 batches are left out."""
    return batches[rank : len(batches) - len(batches) % world_size : world_size]


def stream(
    sampler: NeighbourSampler, batches: Sequence[B], finish: Callable[[B, Neighbourhood], R], *, prefetch: int
) -> Iterator[R]:
    """`finish(batch, its neighbourhood)` for each batch, in order; sampling and `finish` run `prefetch` batches ahead.

    What comes out does not depend on the number of threads or their timing, nor on how many batches are sampled
    together (`Adjacency.together`).
    """

    def work(group: Sequence[B]) -> list[R]:
        return [finish(*each) for each in zip(group, sampler.sample_together(group), strict=True)]

    together = sampler.adjacency.together
    depth = -(-prefetch // together)
    groups = (batches[at : at + together] for at in range(0, len(batches), together))
    return chain.from_iterable(ahead(work, groups, threads=min(depth, os.cpu_count() or 1), depth=depth))
