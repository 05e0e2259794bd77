"""Checks of the machine: Python, memory, disk, torch, text encoder."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from colisten.cli.health.finding import Finding
from colisten.extras import TRAIN
from colisten.settings import Settings

_GB = 1 << 30
_LITTLE_MEMORY, _LITTLE_DISK, _NO_DISK = 4 * _GB, 5 * _GB, _GB // 2


def check_python() -> Iterator[Finding]:
    """Check version, cores and memory."""
    import psutil

    memory = psutil.virtual_memory().total
    found = f"Python {platform.python_version()}, {os.cpu_count()} cores, {memory / _GB:.0f} GB of memory"
    if memory < _LITTLE_MEMORY:
        advice = "lower neo4j.memory_mb, graph.memory_mb, listening.memory_mb, gnn.cache_mb, towers.cache_mb"
        yield Finding("warn", "machine", found, advice)
    else:
        yield Finding("ok", "machine", found)


def check_disk(folder: Path) -> Iterator[Finding]:
    """Check the free space where the working folder is, or will be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / _GB:.1f} GB free in {there}"
    todo = "free some: the graph, the index and their drafts need room beside what is there"
    if free < _LITTLE_DISK:
        yield Finding("bad" if free < _NO_DISK else "warn", "disk", found, todo)
    else:
        yield Finding("ok", "disk", found)


def check_training() -> Iterator[Finding]:
    """Check that what trains is installed; that torch imports and computes, and on which device."""
    missing = [module for module in sorted(TRAIN) if find_spec(module) is None]
    if missing:
        yield Finding("ok", "training", "not installed: this answers; the extra 'train' trains and searches by text")
        return
    import torch

    product = torch.ones(8, 8) @ torch.ones(8, 8)
    assert float(product.sum()) == 512
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    yield Finding("ok", "training", f"torch {torch.__version__} on {device}")


def check_devices(settings: Settings) -> Iterator[Finding]:
    """Check, where several devices are to train the graph network or the towers, that there are as many."""
    gnn, towers = settings.gnn.devices, settings.towers.devices
    if max(gnn, towers) > 1 and find_spec("torch") is not None:
        from colisten import cores

        cores.check_devices("gnn.devices", gnn)
        cores.check_devices("towers.devices", towers, gpus=settings.towers.device != "cpu")
        yield Finding("ok", "devices", f"{gnn} for the graph network, {towers} for the towers")


def check_encoder(settings: Settings) -> Iterator[Finding]:
    """Check that the text encoder loads and encodes, where it is installed."""
    if find_spec("sentence_transformers") is None:
        return
    from colisten.text.encoder import Encoder

    width = Encoder(settings.text).encode(["a slow-burn mystery set in Iceland"]).shape[1]
    yield Finding("ok", "text encoder", f"{settings.text.encoder}, {width} numbers a text")
