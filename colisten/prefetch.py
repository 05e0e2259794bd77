"""Prefetching: a map whose results threads compute ahead of their use, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch_map(
    function: Callable[[T], R], inputs: Iterable[T], *, threads: int, depth: int, first_alone: bool = False
) -> Generator[R, None, None]:
    """`map(function, inputs)`, with up to `depth` results under way or waiting on `threads` threads.

    An error in `function` is raised where its result would have come. Closing the iterator (or dropping it) waits for
    what is under way and leaves no thread behind. A depth of 0 works in the caller's thread. With `first_alone` nothing
    else is begun before the first result is there, which comes sooner where cores are few.
    """
    if depth < 1:
        yield from map(function, inputs)
        return
    waiting: deque[Future[R]] = deque()
    source = iter(inputs)
    with ThreadPoolExecutor(threads, thread_name_prefix="colisten-ahead") as pool:
        try:
            waiting.extend(pool.submit(function, value) for value in islice(source, 1 if first_alone else depth))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, value) for value in islice(source, depth - len(waiting)))
                yield result
        finally:
            for future in waiting:
                future.cancel()
