"""Listening data and item embeddings → `W/towers/`: trained, chosen on validation, exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colisten.arrays import Floats
from colisten.gnn.cores import half_the_cores
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.data import Material
from colisten.towers.export import Fitted, export
from colisten.towers.holdout import HoldOut, hold_out
from colisten.towers.linear import Linear, LinearTrials, fit_linear
from colisten.towers.listeners import Listeners
from colisten.towers.mixing import Weights, choose_weights
from colisten.towers.model import TwoTowers
from colisten.towers.popularity import HALF_LIVES, log_popularity
from colisten.towers.ranking import Task, not_worse
from colisten.towers.training import Training

FINISHING_EPOCHS, FINISHING_PACE = 2, 0.3
"""After validation the towers go on over all data, at a slower pace, instead of starting anew."""


@dataclass(frozen=True)
class Trained:
    """What was chosen, and what validation said; also kept as `chosen` in `spec.json`."""

    epochs: int
    linear: dict[str, Any] | None
    """`signals` (codes below it count as history), `penalties`, `rank`; None where nothing could be held out."""
    half_life: int
    """Days, of popularity; 0: all time."""
    warm: Weights
    cold: Weights
    validation: dict[str, dict[str, float]]
    """Mean of NDCG@10 and NDCG@100 on hidden pairs, for warm and cold users: each part alone, and the mix."""


Rehearse = Callable[[Listeners], Floats]
"""Item embeddings over the graph of these listeners' events alone."""


def train_towers(
    data: ListeningData,
    text: Floats,
    embeddings: Floats,
    rehearse: Rehearse,
    settings: Settings,
    out: Path,
    progress: Progress,
) -> Trained:
    """Train both towers and write `out` (`W/towers/`) in one step.

    Args:
        data: training data alone: nothing in it may lie after the evaluation's cut.
        text: float32 [items, width ≥ 0], text vectors.
        embeddings: float32 [items, width ≥ 0], item embeddings of the graph network.
        rehearse: gives the embeddings that validation works with: its hidden pairs are in no edge of theirs.
        settings: what to train, and from which seed.
        out: gets `towers.safetensors`, `spec.json` and `items.safetensors` (`vectors` float32 [items, dim]).
        progress: told of every epoch.
    """
    material = Material.of(data, text, embeddings, settings)
    rng = np.random.default_rng(settings.seed)
    held = hold_out(material.everybody, material.is_target, material.strong, rng)
    with half_the_cores():
        if len(held.users):
            rehearsed = Material.of(data, text, rehearse(held.kept), settings)
            model, linear, trained = _choose(rehearsed, held, settings, progress)
        else:
            model, linear, trained = None, None, _unchosen(settings)
        fitted = _finish(material, model, linear, trained, settings, progress)
    export(fitted, asdict(trained), out)
    progress.say(_summary(trained))
    return trained


def _choose(
    material: Material, held: HoldOut, settings: Settings, progress: Progress
) -> tuple[TwoTowers, Linear, Trained]:
    task = Task.of(held, material.is_target, material.strong, material.ruled_out)
    trials = LinearTrials(held, task, material.is_target, progress)
    choice, gains = trials.choose((material.strong, material.signals))
    linear = trials.cut(fit_linear(held.kept, material.is_target, choice, settings.seed, progress), gains)
    half_life, popular = _choose_half_life(material, held, task)
    run = Training(material.training_set(held.kept, settings), settings.seed, settings.towers.epochs)
    asked = held.kept.take(held.users)
    epochs = _train(run, task, run.data.features.encode(asked), progress)
    users = {
        "towers": run.user_vectors(run.data.features.encode(asked)),
        "linear": linear.part.encode(asked),
        "popular": np.ones((len(asked), 1), np.float32),
    }
    items = {
        "towers": run.item_vectors(task.candidates),
        "linear": linear.to_items[task.candidates],
        "popular": popular[task.candidates, None],
    }
    warm, cold, validation = choose_weights(task, users, items)
    return run.model, linear, Trained(epochs, asdict(linear.choice), half_life, warm, cold, validation)


def _train(run: Training, task: Task, asked: Floats, progress: Progress) -> int:
    """Train, and go back to the epoch that validation liked best; returns its number."""
    best, kept, epochs = (-1.0, 0), run.model.state_dict(), run.data.settings.epochs
    for epoch in range(1, epochs + 1):
        run.epoch(progress, f"training the towers, epoch {epoch} of {epochs}")
        gain = float(task.ndcg(run.user_vectors(asked) @ run.item_vectors(task.candidates).T).mean())
        if gain > best[0]:
            best, kept = (gain, epoch), {name: value.clone() for name, value in run.model.state_dict().items()}
    run.model.load_state_dict(kept)
    return best[1]


def _choose_half_life(material: Material, held: HoldOut, task: Task) -> tuple[int, Floats]:
    timed = bool((held.kept.timestamps >= 0).any())
    tried = {
        days: log_popularity(held.kept, material.strong, len(material.is_target), days)
        for days in (HALF_LIVES if timed else HALF_LIVES[:1])
    }
    gains = [task.ndcg(np.tile(popular[task.candidates], (len(task), 1))) for popular in tried.values()]
    best = list(tried)[int(not_worse(np.stack(gains)).argmax())]
    return best, tried[best]


def _finish(
    material: Material,
    model: TwoTowers | None,
    linear: Linear | None,
    trained: Trained,
    settings: Settings,
    progress: Progress,
) -> Fitted:
    """Everything chosen, fitted once more on all data."""
    data = material.training_set(material.everybody, settings)
    epochs, pace = (FINISHING_EPOCHS, FINISHING_PACE) if model else (settings.towers.epochs, 1.0)
    run = Training(data, settings.seed + 1, epochs, model=model, pace=pace)
    for epoch in range(1, epochs + 1):
        run.epoch(progress, f"finishing the towers on all data, epoch {epoch} of {epochs}")
    if linear:
        linear = fit_linear(material.everybody, material.is_target, linear.choice, settings.seed, progress)
    popular = log_popularity(material.everybody, material.strong, len(material.is_target), trained.half_life)
    return Fitted(run, linear, popular, material)


def _unchosen(settings: Settings) -> Trained:
    """Too little data to hold anything out: the towers, with some popularity."""
    weights = {"towers": 1.0, "popular": 0.2}
    return Trained(settings.towers.epochs, None, 0, weights, weights, {})


def _summary(trained: Trained) -> str:
    shares = " · ".join(f"{name} {weight:g}" for name, weight in trained.warm.items())
    found = ", ".join(f"{name} {gain:.3f}" for name, gain in trained.validation.get("warm", {}).items())
    return f"towers: weights {shares}" + (f" (validation: {found})" if found else "")
