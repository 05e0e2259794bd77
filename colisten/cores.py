"""How many cores and devices torch takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from colisten.errors import SettingsError


@contextmanager
def torch_threads(workers: int = 1) -> Iterator[None]:
    """Let torch use the cores while the block runs, or its part of them where so many `workers` run it.

    Workers are processes, or threads that start within the block. Torch's own threads wait for each other at every
    step. They sleep meanwhile where OMP_WAIT_POLICY was PASSIVE as torch was imported, as the `colisten` command sees
    to. Else, where one core is busy with something else (the sampler, Neo4j, another program), a step on all cores
    takes ten times as long as one on half of them: half are used then.
    """
    before, cores = torch.get_num_threads(), os.cpu_count() or 1
    if os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE":
        cores //= 2
    torch.set_num_threads(max(1, min(before, cores // workers)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_devices(setting: str, devices: int, *, gpus: bool = True) -> None:
    """Can as many processes as this setting says train at once here, on `gpus` where there are some?

    Raises:
        SettingsError: there are fewer GPUs, or where there are none, fewer cores.
    """
    found, cores = torch.cuda.device_count() if gpus else 0, os.cpu_count() or 1
    if devices > 1 and devices > (found or cores):
        there = f"{found} GPUs" if found else f"{'no GPU and ' if gpus else ''}{cores} cores"
        raise SettingsError(f"{setting}={devices} is more than this machine has ({there}): lower it.")
