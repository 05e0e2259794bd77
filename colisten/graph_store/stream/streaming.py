"""An epoch as a stream of batches, sampled ahead of the model by threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np

from colisten.graph_store.stream.ahead import ahead
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler

B = TypeVar("B", bound=Batch)
R = TypeVar("R")
T = TypeVar("T")


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
    together (`Adjacency.together`). Closing the iterator leaves no thread behind.
    """
    together = sampler.adjacency.together
    threads = max(1, min(prefetch, os.cpu_count() or 1))

    def finished(place: tuple[int, Future[list[Neighbourhood]]]) -> R:
        at, sampled = place
        return finish(batches[at], sampled.result()[at % together])

    with ThreadPoolExecutor(threads if together == 1 else 1, thread_name_prefix="colisten-sample") as sampling:

        def places() -> Iterator[tuple[int, Future[list[Neighbourhood]]]]:
            starts = range(0, len(batches), together)
            groups = (sampling.submit(sampler.sample_together, batches[at : at + together]) for at in starts)
            for start, sampled in zip(starts, _one_early(groups), strict=True):
                for at in range(start, min(start + together, len(batches))):
                    yield at, sampled

        try:
            with closing(ahead(finished, places(), threads=threads, depth=prefetch, first_alone=True)) as results:
                yield from results
        finally:
            sampling.shutdown(cancel_futures=True)


def _one_early(values: Iterator[T]) -> Iterator[T]:
    """The same values, each taken before the one ahead of it is given."""
    held = next(values, None)
    while held is not None:
        given, held = held, next(values, None)
        yield given
