"""Training of the user vector: selected on validation, fitted on all listening, exported to `W/towers/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from colisten.arrays import Floats
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import listeners
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.demand.forecast import log_demand
from colisten.towers.demand.optimism import optimistic
from colisten.towers.export import FittedTowers, export
from colisten.towers.features.item_features import content_of
from colisten.towers.inputs import TowerInputs
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.model import ItemInputs, fit_linear
from colisten.towers.parts import TRANSITIONS
from colisten.towers.relations import NO_RELATIONS
from colisten.towers.selection.on_validation import select_on_validation
from colisten.towers.selection.tower_selection import Circumstances, TowerSelection
from colisten.towers.selection.two_tower_search import FINETUNING_EPOCHS, FINETUNING_RATE
from colisten.towers.transitions import OrderedStreams, transition_matrix
from colisten.towers.two_tower.data_parallel import training_replicas
from colisten.towers.two_tower.model import TwoTowers
from colisten.towers.two_tower.replicas import Replicas
from colisten.towers.two_tower.trainer import TwoTowerTrainer
from colisten.tracking import Tracker, flat

EmbedHistories = Callable[[UserHistories], Floats]
"""Item embeddings over the graph of these listeners' events alone."""


def train_towers(
    data: ListeningData,
    text: Floats,
    embeddings: Floats,
    embed_histories: EmbedHistories,
    settings: Settings,
    out: Path,
    progress: Progress,
    relations: Mapping[str, ItemMatrix] = NO_RELATIONS,
    tracker: Tracker | None = None,
    standing: TowerSelection | None = None,
) -> TowerSelection:
    """Train both towers and write `out` (`W/towers/`) in one step.

    Args:
        data: training data alone: nothing in it may lie after the evaluation's cut.
        text: float32 [items, width ≥ 0], text vectors.
        embeddings: float32 [items, width ≥ 0], item embeddings of the graph network.
        embed_histories: gives the embeddings that validation works with: its hidden pairs are in no edge of theirs.
        settings: what to train, and from which seed.
        out: gets `towers.safetensors`, `spec.json` and `items.safetensors` (`vectors` float16 [items, width]).
        progress: advanced by every epoch.
        relations: of the graph, each a part of the score if validation likes it.
        tracker: gets the loss and validation of every epoch, and what was selected.
        standing: an earlier selection to train by, instead of a new one.

    With `towers.devices` > 1 as many processes train the two towers together, and give what one gives, but for the
    chance of dropout; this one does all else.

    Raises:
        SettingsError: there are too few devices.
        ColistenError: one of several processes ended before its time.
    """
    inputs = TowerInputs.of(data, text, embeddings, settings, relations)

    def held_out(histories: UserHistories) -> TowerInputs:
        return inputs.with_content(data, content_of(text, embed_histories(histories)))

    with training_replicas(settings.towers) as replicas:
        about = inputs.item_inputs(progress) if "linear" in settings.towers.parts else None
        model, made = None, circumstances(data, relations)
        if standing:
            selection = standing
            progress.say(f"  by what was selected on {standing.made.day} (cadence.selection=always selects anew)")
        else:
            model, selection = select_on_validation(
                inputs, held_out, about, made, settings, progress, tracker, replicas
            )
        fitted = _finish(inputs, about, model, selection, settings, progress, tracker, replicas)
    export(fitted, asdict(selection), out)
    if tracker:
        tracker.finish(**flat({"selected": asdict(selection)}))
    progress.say(_summary(selection))
    return selection


def _finish(
    inputs: TowerInputs,
    about: ItemInputs | None,
    model: TwoTowers | None,
    selection: TowerSelection,
    settings: Settings,
    progress: Progress,
    tracker: Tracker | None,
    replicas: Replicas,
) -> FittedTowers:
    """Refit the selection on all data; parts of weight zero are left out."""
    data = inputs.training_set(inputs.everybody, settings, selection.training_options)
    late = replace(data, half_life=selection.recent)
    passes = [(data, selection.epochs, 1.0)] if model is None else []
    passes += [(late, FINETUNING_EPOCHS, FINETUNING_RATE)] if model or selection.recent else []
    for examples, epochs, rate in passes:
        run = TwoTowerTrainer(examples, settings.seed + 1, epochs, model=model, rate_scale=rate, replicas=replicas)
        model = run.model
        for epoch in range(1, epochs + 1 if selection.counts("towers") else 1):
            loss = run.epoch(progress, f"finishing the towers on all data, epoch {epoch} of {epochs}")
            if tracker:
                tracker.after_epoch(loss=loss)
    linear = None
    if about and selection.linear and selection.counts("linear"):
        linear = fit_linear(inputs.everybody, about, selection.linear, progress)
    demand = None
    if selection.counts("demand"):
        heard = listeners(inputs.everybody, inputs.strong, len(inputs.is_target))
        demand = log_demand(inputs.everybody, inputs.strong, inputs.facts)
        demand = optimistic(demand, heard, selection.optimism)
    rates = inputs.conversion_rates(inputs.everybody) if selection.counts("weak_signals") else {}
    transitions = None
    if selection.half_life is not None and selection.counts(TRANSITIONS):
        streams = OrderedStreams.of(inputs.everybody, inputs.strong, len(inputs.is_target))
        transitions = transition_matrix(streams, selection.half_life)
    return FittedTowers(run, linear, demand, rates, inputs, transitions)


def circumstances(data: ListeningData, relations: Mapping[str, ItemMatrix]) -> Circumstances:
    """Those of today."""
    today = datetime.now(UTC).date().isoformat()
    return Circumstances(today, data.summary["counts"]["interactions"], data.item_types, tuple(relations))


def _summary(selection: TowerSelection) -> str:
    shares = " · ".join(f"{name} {weight:g}" for name, weight in selection.warm.items())
    found = ", ".join(f"{name} {gain:.3f}" for name, gain in selection.validation.get("warm", {}).items())
    return f"towers: weights {shares}" + (f" (validation: {found})" if found else "")
