"""Training of the user vector: parts fitted, hyper-parameters selected on validation, exported to `W/towers/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from colisten.arrays import Floats
from colisten.listening.data import ListeningData
from colisten.listening.first_streams import FirstStreams
from colisten.listening.histories import UserHistories
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.demand.forecast import listeners, log_demand
from colisten.towers.demand.optimism import optimistic
from colisten.towers.export import FittedTowers, export
from colisten.towers.features.item_features import content_of
from colisten.towers.half_precision import rounded
from colisten.towers.inputs import TowerInputs
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.model import ItemInputs, fit_linear
from colisten.towers.parts import TRANSITIONS, TransitionsPart
from colisten.towers.relations import NO_RELATIONS, relation_scorer
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.linear_search import LinearSearch, users_judged
from colisten.towers.selection.mixing import Weights, choose_weights, mix_scorer
from colisten.towers.selection.optimism_search import choose_optimism
from colisten.towers.selection.ranking_task import RankingTask, Scorer
from colisten.towers.selection.tower_selection import Circumstances, TowerSelection
from colisten.towers.selection.transition_search import choose_half_life
from colisten.towers.selection.two_tower_search import (
    FINETUNING_EPOCHS,
    FINETUNING_RATE,
    TwoTowerSearch,
    default_options,
)
from colisten.towers.selection.validation_split import MAX_USERS, ValidationSplit, split_validation
from colisten.towers.transitions import has_order, in_order, transition_matrix, transition_scorer
from colisten.towers.two_tower.data_parallel import training_replicas
from colisten.towers.two_tower.model import TwoTowers
from colisten.towers.two_tower.replicas import Replicas
from colisten.towers.two_tower.trainer import TwoTowerTrainer
from colisten.towers.weak_signals import conversion_rates, weak_signal_scores
from colisten.tracking import Tracker, flat

DEFAULT_WEIGHTS = {"towers": 1.0, "demand": 0.8}
"""What parts count where nothing could be held out; item–item weights have no penalty then, and count nothing."""

_KEPT_FOR_TOWERS = 0.5
"""Share of the time for trying changes that those of the item–item weights leave to those of the towers."""


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
            model, selection = _choose(inputs, held_out, about, made, settings, progress, tracker, replicas)
        fitted = _finish(inputs, about, model, selection, settings, progress, tracker, replicas)
    export(fitted, asdict(selection), out)
    if tracker:
        tracker.finish(**flat({"selected": asdict(selection)}))
    progress.say(_summary(selection))
    return selection


def _choose(
    inputs: TowerInputs,
    held_out: Callable[[UserHistories], TowerInputs],
    about: ItemInputs | None,
    made: Circumstances,
    settings: Settings,
    progress: Progress,
    tracker: Tracker | None,
    replicas: Replicas,
) -> tuple[TwoTowers | None, TowerSelection]:
    """Select on validation; gives the towers that were trained for it, if any.

    Args:
        held_out: the inputs as they would be by these histories alone.
    """
    rng = np.random.default_rng(settings.seed)
    everyone = split_validation(inputs.everybody, inputs.is_target, inputs.strong, rng)
    if not len(everyone.users):
        return None, _default_selection(settings, made)
    inputs = held_out(everyone.train)
    split = everyone.sample(MAX_USERS, rng)
    asked, task = split.train.take(split.users), _task(inputs, split)
    search = GreedySearch(60 * settings.towers.minutes)
    scores: dict[str, Scorer] = {}
    demand = log_demand(split.train, inputs.strong, inputs.facts) if "demand" in settings.towers.parts else None
    found, choice = None, None
    if about is not None:
        search.reserved = search.seconds * _KEPT_FOR_TOWERS if "towers" in settings.towers.parts else 0
        many = everyone.sample(users_judged(len(task.candidates), MAX_USERS), rng)
        trials = LinearSearch(many, _task(inputs, many), about, made.item_types, progress)
        trial = trials.choose((inputs.strong, inputs.signals), search)
        choice, scores["linear"] = trial.options, trials.scorer(trial, split)
        search.reserved = 0
        del trials  # which holds candidates, up to 19 kB an item
    if "towers" in settings.towers.parts:
        towers = inputs.training_set(split.train, settings, default_options(settings.towers))
        trials_of_towers = TwoTowerSearch(towers, asked, task, demand, settings.seed, progress, tracker, replicas)
        found, scores["towers"] = trials_of_towers.choose(search)
    if demand is not None:
        scores["demand"] = for_everybody(demand, task)
    scores |= _given_scorers(inputs, split.train, asked, task, settings.towers.parts)
    for line in search.summary():
        progress.say(line)
    warm, cold, validation = choose_weights(task, scores)
    half_life = None
    if TRANSITIONS in settings.towers.parts and has_order(streams := in_order(split.train, inputs.strong)):
        order = _order_scorers(inputs, streams, asked, task)
        half_life = choose_half_life(task, mix_scorer(task, scores, warm, cold), order)
        if half_life is not None:
            scores[TRANSITIONS] = order(half_life)
            warm, cold, validation = choose_weights(task, scores)
    optimism = 0.0
    if demand is not None:
        heard = listeners(split.train, inputs.strong, len(inputs.is_target))

        def with_optimism(some: float) -> Scorer:
            hopeful = for_everybody(optimistic(demand, heard, some), task)
            return mix_scorer(task, scores | {"demand": hopeful}, warm, cold)

        optimism = choose_optimism(task, heard[task.candidates], with_optimism)
    defaults = _default_selection(settings, made)
    if found:
        data = found.run.data
        defaults = replace(defaults, training_options=data.training_options, epochs=found.epochs, recent=data.half_life)
    return found.run.model if found else None, replace(
        defaults, linear=choice, half_life=half_life, optimism=optimism, warm=warm, cold=cold, validation=validation,
        tried=search.tried, kept=tuple(search.kept),
    )  # fmt: skip


def _given_scorers(
    inputs: TowerInputs, train: UserHistories, asked: UserHistories, task: RankingTask, parts: Sequence[str]
) -> dict[str, Scorer]:
    """Of weak signals and of relations, which have nothing to select but their weights."""
    scores: dict[str, Scorer] = {}
    rates = _conversion_rates(inputs, train)
    if "weak_signals" in parts and rates:
        scores["weak_signals"] = lambda some: weak_signal_scores(
            asked.take(np.arange(len(asked))[some]), rates, task.candidates, len(inputs.is_target)
        )
    if "relations" in parts:
        scores |= {
            name: relation_scorer(asked, matrix, inputs.strong, task.candidates)
            for name, matrix in inputs.relations.items()
        }
    return scores


def _order_scorers(
    inputs: TowerInputs, streams: FirstStreams, asked: UserHistories, task: RankingTask
) -> Callable[[float], Scorer]:
    """By half-life, scores by what followed what in the training part."""

    def scorer(half_life: float) -> Scorer:
        matrix = transition_matrix(streams, len(inputs.is_target), half_life)
        return transition_scorer(asked, matrix, TransitionsPart(inputs.strong, half_life), task.candidates)

    return scorer


def _conversion_rates(inputs: TowerInputs, histories: UserHistories) -> dict[int, float]:
    return conversion_rates(histories, inputs.strong, inputs.signals, inputs.negative_signals)


def _task(inputs: TowerInputs, split: ValidationSplit) -> RankingTask:
    return RankingTask.of(split, inputs.is_target, inputs.strong, inputs.negative_signals)


def for_everybody(demand: Floats, task: RankingTask) -> Scorer:
    """The same scores `demand` [items] for all users, as they are served: rounded to half precision."""
    scores = rounded(demand[task.candidates, None])[:, 0]
    return lambda some: np.tile(scores, (len(task.warm[some]), 1))


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
    rates = _conversion_rates(inputs, inputs.everybody) if selection.counts("weak_signals") else {}
    transitions = None
    if selection.half_life is not None and selection.counts(TRANSITIONS):
        streams = in_order(inputs.everybody, inputs.strong)
        transitions = transition_matrix(streams, len(inputs.is_target), selection.half_life)
    return FittedTowers(run, linear, demand, rates, inputs, transitions)


def circumstances(data: ListeningData, relations: Mapping[str, ItemMatrix]) -> Circumstances:
    """Those of today."""
    today = datetime.now(UTC).date().isoformat()
    return Circumstances(today, data.summary["counts"]["interactions"], data.item_types, tuple(relations))


def _default_selection(settings: Settings, made: Circumstances) -> TowerSelection:
    """Too little data to hold anything out: the towers and demand; demand where neither is wanted."""
    wanted: Weights = {part: weight for part, weight in DEFAULT_WEIGHTS.items() if part in settings.towers.parts}
    weights = wanted or {"demand": 1.0}
    options, epochs = default_options(settings.towers), settings.towers.epochs
    return TowerSelection(made, None, options, epochs, 0, None, 0.0, weights, weights, {}, {}, ())


def _summary(selection: TowerSelection) -> str:
    shares = " · ".join(f"{name} {weight:g}" for name, weight in selection.warm.items())
    found = ", ".join(f"{name} {gain:.3f}" for name, gain in selection.validation.get("warm", {}).items())
    return f"towers: weights {shares}" + (f" (validation: {found})" if found else "")
