"""Listening data and item embeddings → `W/towers/`: trained, chosen on validation, exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from colisten.arrays import Floats
from colisten.gnn.cores import half_the_cores
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.climbing import Climb
from colisten.towers.data import Material
from colisten.towers.export import Fitted, export
from colisten.towers.holdout import HoldOut, hold_out
from colisten.towers.item_features import content_of
from colisten.towers.linear import LinearChoice, LinearTrials, fit_linear
from colisten.towers.listeners import Listeners
from colisten.towers.mixing import Weights, choose_weights
from colisten.towers.model import TwoTowers
from colisten.towers.popularity import HALF_LIVES, log_popularity
from colisten.towers.ranking import Scores, Task, not_worse
from colisten.towers.tower_trials import FINISHING_EPOCHS, FINISHING_PACE, TowerTrials, usual_way
from colisten.towers.training import Training, Way

UNCHOSEN = {"towers": 1.0, "popular": 0.2}
"""What parts count where nothing could be held out; item–item weights have no penalty then, and count nothing."""


@dataclass(frozen=True)
class Trained:
    """What was chosen, and what validation said; also kept as `chosen` in `spec.json`."""

    linear: LinearChoice | None
    """None where nothing could be held out, or the part is not wanted."""
    way: Way
    half_life: int
    """Days, of popularity; 0: all time."""
    fresh: int
    """Days, of the listening that the towers were finished on; 0: all of it alike."""
    warm: Weights
    cold: Weights
    validation: dict[str, dict[str, float]]
    """Mean of NDCG@10 and NDCG@100 on hidden pairs, for warm and cold users: each part alone, and the mix."""
    tried: dict[str, float]
    """Mean gain of each change that was tried beside what is usual, over what was best before it."""
    kept: tuple[str, ...]
    """Those of them that validation clearly liked better."""

    def counts(self, part: str) -> bool:
        """Does it count for anybody?"""
        return bool(self.warm.get(part) or self.cold.get(part))


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
            rehearsed = material.with_content(data, content_of(text, rehearse(held.kept)))
            model, trained = _choose(rehearsed, held, data.item_types, settings, progress)
        else:
            model, trained = None, _unchosen(settings)
        fitted = _finish(material, model, trained, settings, progress)
    export(fitted, asdict(trained), out)
    progress.say(_summary(trained))
    return trained


def _choose(
    material: Material, held: HoldOut, types: tuple[str, ...], settings: Settings, progress: Progress
) -> tuple[TwoTowers | None, Trained]:
    task = Task.of(held, material.is_target, material.strong, material.ruled_out)
    climb = Climb(60 * settings.towers.minutes)
    scores: dict[str, Scores] = {}
    half_life, popular = _choose_half_life(material, held, task)
    run, choice = None, None
    if "linear" in settings.towers.parts:
        trials = LinearTrials(held, task, material.for_weights, types, progress)
        choice, scores["linear"] = trials.choose((material.strong, material.signals), climb)
    if "towers" in settings.towers.parts:
        run, scores["towers"] = TowerTrials(material, held, task, settings, progress).choose(half_life, climb)
    if "popular" in settings.towers.parts:
        scores["popular"] = _for_everybody(popular, task)
    for line in climb.summary():
        progress.say(line)
    warm, cold, validation = choose_weights(task, scores)
    way, fresh = (run.data.way, run.data.half_life) if run else (usual_way(settings.towers), 0)
    return run.model if run else None, Trained(
        choice, way, half_life, fresh, warm, cold, validation, climb.tried, tuple(climb.kept)
    )


def _choose_half_life(material: Material, held: HoldOut, task: Task) -> tuple[int, Floats]:
    timed = bool((held.kept.timestamps >= 0).any())
    tried = {
        days: log_popularity(held.kept, material.strong, len(material.is_target), days)
        for days in (HALF_LIVES if timed else HALF_LIVES[:1])
    }
    gains = [task.gains(_for_everybody(popular, task)) for popular in tried.values()]
    best = list(tried)[int(not_worse(np.stack(gains)).argmax())]
    return best, tried[best]


def _for_everybody(popular: Floats, task: Task) -> Scores:
    return lambda some: np.tile(popular[task.candidates], (len(task.warm[some]), 1))


def _finish(
    material: Material, model: TwoTowers | None, trained: Trained, settings: Settings, progress: Progress
) -> Fitted:
    """Everything chosen, fitted once more on all data; what counts for nobody is not."""
    data = material.training_set(material.everybody, settings, trained.way, trained.fresh)
    epochs, pace = (FINISHING_EPOCHS, FINISHING_PACE) if model else (settings.towers.epochs, 1.0)
    run = Training(data, settings.seed + 1, epochs, model=model, pace=pace)
    for epoch in range(1, epochs + 1 if trained.counts("towers") else 1):
        run.epoch(progress, f"finishing the towers on all data, epoch {epoch} of {epochs}")
    linear = None
    if trained.linear and trained.counts("linear"):
        linear = fit_linear(material.everybody, material.for_weights, trained.linear, settings.seed, progress)
    popular = log_popularity(material.everybody, material.strong, len(material.is_target), trained.half_life)
    return Fitted(run, linear, popular, material)


def _unchosen(settings: Settings) -> Trained:
    """Too little data to hold anything out: the towers, with some popularity; popularity where neither is wanted."""
    wanted: Weights = {part: weight for part, weight in UNCHOSEN.items() if part in settings.towers.parts}
    weights = wanted or {"popular": 1.0}
    return Trained(None, usual_way(settings.towers), 0, 0, weights, weights, {}, {}, ())


def _summary(trained: Trained) -> str:
    shares = " · ".join(f"{name} {weight:g}" for name, weight in trained.warm.items())
    found = ", ".join(f"{name} {gain:.3f}" for name, gain in trained.validation.get("warm", {}).items())
    return f"towers: weights {shares}" + (f" (validation: {found})" if found else "")
