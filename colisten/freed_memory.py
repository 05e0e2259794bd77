"""What the C library does with the memory of large tensors that were freed."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_ALL = 2**31 - 1
_USUAL = 32 * 2**20
"""Bytes: what glibc's own rule comes to, at most, in a process that frees large blocks."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory for the next tensors while the block runs, and give it back then; without glibc, do nothing.

    A training step makes tensors of the same sizes as the step before. By default the system takes the large ones back
    each time, and clears every page again: on a graph of 60,000 items a third of a step (docs/cost.md).
    """
    library = ctypes.pythonapi  # this process' own symbols, the C library's among them
    if not hasattr(library, "malloc_trim"):
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _ALL)
    library.mallopt(_TRIM_THRESHOLD, _ALL)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL)
        library.mallopt(_TRIM_THRESHOLD, _USUAL)
        library.malloc_trim(0)
