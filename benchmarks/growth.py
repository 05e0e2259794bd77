"""How the cost of training grows: `python benchmarks/growth.py [SMALLEST [SIZES]]`.

Worlds of SMALLEST people, twice and four times as many …, items in step. Processor seconds (of all threads, so that a
busy machine hardly disturbs them) of: an epoch of the graph model over all edges of a balanced epoch, an epoch of the
towers, the item–item weights of all items; each also per million of what it grows
with, which stays level where growth is linear.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from colisten.arrays import Floats
from colisten.gnn.in_memory import graph_in_memory
from colisten.gnn.node_types import group_types
from colisten.gnn.training import train_gnn
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.inputs import TowerInputs
from colisten.towers.linear.item_weights import Ridge
from colisten.towers.linear.model import LinearOptions, fit_linear
from colisten.towers.two_tower.trainer import TrainingOptions, TwoTowerTrainer

QUIET = Progress(quiet=True)
EPOCHS = 2
SETTINGS = Settings.load(["gnn.edges_per_epoch=1000000000", f"gnn.max_epochs={EPOCHS}"])


def seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def directions(items: int, width: int) -> Floats:
    found = np.random.default_rng(0).normal(size=(items, width)).astype(np.float32)
    unit: Floats = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def graph_epoch(data: ListeningData, text: Floats, folder: Path) -> tuple[int, float]:
    """Supervision edges, and seconds of an epoch."""
    types = group_types(data, SETTINGS.target, SETTINGS.gnn.node_types)
    with graph_in_memory(data, types, SETTINGS.graph, folder, QUIET) as graph:
        spent = seconds(lambda: train_gnn(graph, text, SETTINGS.gnn, seed=7, folder=folder / "gnn", progress=QUIET))
        edges = int(graph.degrees.sum()) // 2
    return edges, spent / EPOCHS


def towers_epoch(inputs: TowerInputs) -> tuple[int, float]:
    """TwoTowerTrainer pairs, and seconds of an epoch."""
    run = TwoTowerTrainer(inputs.training_set(inputs.everybody, SETTINGS, TrainingOptions()), 7, EPOCHS)
    return run.data.draws, seconds(lambda: run.epoch(QUIET, "towers"))


def weights(inputs: TowerInputs) -> tuple[int, float]:
    """Items, and seconds of their weights."""
    choice = LinearOptions(inputs.strong, Ridge(60.0, 0.15), Ridge(60.0, 0.15))
    given = (inputs.everybody, inputs.item_inputs(QUIET), choice, QUIET)
    return len(inputs.is_target), seconds(lambda: fit_linear(*given))


def measured(people: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_world(folder / "world", users=people, audiobooks=people // 5, podcasts=people // 5)
        data = import_data(str(folder / "world"), folder / "listening", SETTINGS, QUIET)
        text = directions(len(data.items), 384)
        inputs = TowerInputs.of(data, text, directions(len(data.items), 64), SETTINGS)
        parts = {
            "graph model, epoch": (*graph_epoch(data, text, folder / "edges"), "edges"),
            "towers, epoch": (*towers_epoch(inputs), "pairs"),
            "item weights": (*weights(inputs), "items"),
        }
    found: dict[str, Any] = {"people": people}
    for name, (size, spent, what) in parts.items():
        found[name] = {what: size, "s": round(spent, 2), f"s per million {what}": round(1e6 * spent / size, 1)}
    return found


def main(smallest: int = 2000, sizes: int = 3) -> None:
    measured(500)  # compiles what is compiled
    for doubling in range(sizes):
        print(json.dumps(measured(smallest * 2**doubling)), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
