"""How many cores training takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def half_the_cores() -> Iterator[None]:
    """Let torch use half of the cores while the block runs.

    Its threads wait for each other at every step: where one core is busy with something else (the sampler, Neo4j,
    another program) a step on all cores takes ten times as long as one on half of them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, (os.cpu_count() or 1) // 2)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
