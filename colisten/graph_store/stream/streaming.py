"""An epoch as a stream of batches, sampled ahead of the model by threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from itertools import chain
from typing import TypeVar

import numpy as np

from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.prefetch import prefetch_map

B = TypeVar("B", bound=Batch)
R = TypeVar("R")
T = TypeVar("T")
_EDGE_BYTES = 60
"""What a batch takes for each edge while it is made: about 40 in arrays of its own, and the draw."""


def batch_key(seed: int, epoch: int, index: int) -> np.uint64:
    """The key of one batch: the same whoever samples it, and whenever."""
    return np.uint64(np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0])


def share_of(batches: Sequence[T], rank: int, world_size: int) -> Sequence[T]:
    """One process's own disjoint share of an epoch; all shares are equally long (the processes step together), so up
    to `world_size` - 1 batches are left out."""
    return batches[rank : len(batches) - len(batches) % world_size : world_size]


def stream(
    sampler: NeighbourSampler, batches: Iterable[B], finish: Callable[[B, Neighbourhood], R], *, prefetch: int
) -> Generator[R, None, None]:
    """`finish(batch, its neighbourhood)` for each batch, in order; sampling and `finish` run `prefetch` batches ahead.

    Fewer where that many would exceed what the adjacency's budget leaves for work under way, by the size of the first.
    `batches` are taken as they are needed, so there may be no end to them. What comes out does not depend on the number
    of threads or their timing. Closing the iterator leaves no thread behind.
    """

    source = iter(batches)
    first = next(source, None)
    if first is None:
        return
    around = sampler.sample_together([first])[0]
    ahead = sampler.adjacency.work_bytes // (_EDGE_BYTES * max(1, len(around.src))) - 1
    depth = max(0, min(prefetch, ahead))
    threads = max(1, min(depth, os.cpu_count() or 1))
    ready = [finish(first, around)]
    del around

    def made(batch: B) -> R:
        return ready.pop() if ready else finish(batch, sampler.sample_together([batch])[0])

    inputs = chain([first], source)
    with closing(prefetch_map(made, inputs, threads=threads, depth=depth, first_alone=True)) as results:
        yield from results
