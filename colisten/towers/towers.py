"""Listening data and item embeddings → `W/towers/`: trained, chosen on validation, exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from colisten.arrays import Bools, Codes, Floats
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.batches import pairs_of
from colisten.towers.columns import fit_columns
from colisten.towers.encoder import spec_of
from colisten.towers.history import Bags
from colisten.towers.holdout import HoldOut, hold_out
from colisten.towers.item_features import content_of, item_features, type_groups
from colisten.towers.listeners import Listeners
from colisten.towers.ranking import Task
from colisten.towers.reading import listeners_of
from colisten.towers.training import Training, TrainingSet
from colisten.towers.user_features import UserFeatures
from colisten.workdir import replacing_folder, write_json


@dataclass(frozen=True)
class Trained:
    """What a training run came to."""

    epochs: int
    """Epochs of the exported towers, chosen on validation."""
    validation: tuple[float, ...]
    """NDCG@10 on the validation slice after each epoch; empty where nothing could be held out."""


@dataclass(frozen=True)
class Catalogue:
    """Items as the towers see them."""

    features: Floats
    content: Floats
    types: Codes
    is_target: Bools

    @classmethod
    def of(cls, data: ListeningData, text: Floats, embeddings: Floats, target: str) -> Catalogue:
        code = data.item_types.index(target) if target in data.item_types else -1
        content = content_of(text, embeddings)
        return cls(item_features(data, content), content, data.type_of, data.type_of == code)


def train_towers(
    data: ListeningData, text: Floats, embeddings: Floats, settings: Settings, out: Path, progress: Progress
) -> Trained:
    """Train both towers and write `out` (`W/towers/`) in one step.

    Args:
        data: training data alone: nothing in it may lie after the evaluation's cut.
        text: float32 [items, width ≥ 0], text vectors.
        embeddings: float32 [items, width ≥ 0], item embeddings of the graph network.
        out: gets `towers.safetensors`, `spec.json` and `items.safetensors` (`vectors` float32 [items, dim]).
    """
    everybody = listeners_of(data)
    catalogue = Catalogue.of(data, text, embeddings, settings.target)
    held = hold_out(everybody, catalogue.is_target, data.strong, np.random.default_rng(settings.seed))
    validation: tuple[float, ...] = ()
    if len(held.users):
        validation = _validate(training_set(data, held.kept, catalogue, settings), held, settings, progress)
    epochs = int(np.argmax(validation)) + 1 if validation else settings.towers.epochs
    run = Training(training_set(data, everybody, catalogue, settings), settings.seed, epochs)
    for epoch in range(epochs):
        run.epoch(progress, f"training the towers, epoch {epoch + 1} of {epochs}")
    trained = Trained(epochs, validation)
    _export(run, trained, settings, out)
    return trained


def training_set(data: ListeningData, listeners: Listeners, catalogue: Catalogue, settings: Settings) -> TrainingSet:
    """Fit the features on what `listeners` shows, and nothing else."""
    streams = np.bincount(pairs_of(listeners, data.strong).items, minlength=len(catalogue.types))
    target = int(catalogue.types[catalogue.is_target][0]) if catalogue.is_target.any() else -1
    groups = type_groups(catalogue.types, target, streams, settings.gnn.node_types)
    now = int(listeners.timestamps.max(initial=0))
    bags = Bags(
        data.strong, len(data.signals), int(groups.max(initial=0)) + 1, groups, settings.towers.history_days, now
    )
    features = UserFeatures(fit_columns(listeners.features), bags, catalogue.content)
    return TrainingSet(listeners, features, catalogue.features, catalogue.is_target, settings.towers)


def _validate(data: TrainingSet, held: HoldOut, settings: Settings, progress: Progress) -> tuple[float, ...]:
    run = Training(data, settings.seed, settings.towers.epochs)
    task = Task.of(held, np.flatnonzero(data.is_target), data.features.bags.strong, len(data.is_target))
    users = data.features.encode(held.kept.take(held.users))
    found: list[float] = []
    for epoch in range(settings.towers.epochs):
        run.epoch(progress, f"trying the towers on validation, epoch {epoch + 1} of {settings.towers.epochs}")
        scores = run.user_vectors(users) @ run.item_vectors(task.candidates).T
        found.append(float(task.ndcg(scores).mean()))
    return tuple(found)


def _export(run: Training, trained: Trained, settings: Settings, out: Path) -> None:
    features = run.data.features
    weights = {name: value.numpy() for name, value in run.model.state_dict().items()}
    spec: dict[str, Any] = spec_of(features) | {
        "temperature": settings.towers.temperature,
        "layers": len(settings.towers.hidden) + 1,
        "chosen": {"epochs": trained.epochs, "validation_ndcg": trained.validation},
    }
    with replacing_folder(out) as draft:
        save_file(
            weights | {"content": features.content, "group_of": features.bags.group_of}, draft / "towers.safetensors"
        )
        save_file({"vectors": run.item_vectors(np.arange(len(run.data.is_target)))}, draft / "items.safetensors")
        write_json(draft / "spec.json", spec)
