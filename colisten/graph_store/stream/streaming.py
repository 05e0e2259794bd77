"""An epoch as a stream of batches, sampled ahead of the model by threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np

from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.prefetch import prefetch_map
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler

B = TypeVar("B", bound=Batch)
R = TypeVar("R")
T = TypeVar("T")
_SEEDS_TOGETHER = 65_536
"""At most so many seeds are sampled together, unless one batch has more."""


def batch_key(seed: int, epoch: int, index: int) -> np.uint64:
    """The key of one batch: the same whoever samples it, and whenever."""
    return np.uint64(np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0])


def share_of(batches: Sequence[B], rank: int, world_size: int) -> Sequence[B]:
    """One process's own disjoint share of an epoch; all shares are equally long (the processes step together), so up
    to `world_size` - 1 batches are left out."""
    return batches[rank : len(batches) - len(batches) % world_size : world_size]


def stream(
    sampler: NeighbourSampler, batches: Iterable[B], finish: Callable[[B, Neighbourhood], R], *, prefetch: int
) -> Generator[R, None, None]:
    """`finish(batch, its neighbourhood)` for each batch, in order; sampling and `finish` run `prefetch` batches ahead.

    `batches` are taken as they are needed, so there may be no end to them. What comes out does not depend on the number
    of threads or their timing, nor on how many batches are sampled together. Closing the iterator leaves no thread
    behind.
    """
    together = sampler.adjacency.together
    threads = max(1, min(prefetch, os.cpu_count() or 1))

    def finished(place: tuple[B, int, Future[list[Neighbourhood]]]) -> R:
        batch, at, sampled = place
        return finish(batch, sampled.result()[at])

    with ThreadPoolExecutor(threads if together == 1 else 1, thread_name_prefix="colisten-sample") as sampling:

        def places() -> Iterator[tuple[B, int, Future[list[Neighbourhood]]]]:
            groups = ((group, sampling.submit(sampler.sample_together, group)) for group in _groups(batches, together))
            for group, sampled in _one_early(groups):
                for at, batch in enumerate(group):
                    yield batch, at, sampled

        try:
            with closing(
                prefetch_map(finished, places(), threads=threads, depth=prefetch, first_alone=True)
            ) as results:
                yield from results
        finally:
            sampling.shutdown(cancel_futures=True)


def _groups(batches: Iterable[B], together: int) -> Iterator[list[B]]:
    """Up to `together` batches at a time; fewer of many seeds, for all their neighbourhoods lie in memory."""
    group: list[B] = []
    for batch in batches:
        if group and sum(len(each.seeds) for each in group) + len(batch.seeds) > _SEEDS_TOGETHER:
            yield group
            group = []
        group.append(batch)
        if len(group) == together:
            yield group
            group = []
    if group:
        yield group


def _one_early(values: Iterator[T]) -> Iterator[T]:
    """The same values, each taken before the one ahead of it is given."""
    held = next(values, None)
    while held is not None:
        given, held = held, next(values, None)
        yield given
