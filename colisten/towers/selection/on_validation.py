"""Everything that validation has a say in: the hyper-parameters of each part, then what each part counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from colisten.arrays import Floats
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import listeners
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.demand.forecast import log_demand
from colisten.towers.demand.optimism import optimistic
from colisten.towers.half_precision import rounded
from colisten.towers.inputs import TowerInputs
from colisten.towers.linear.model import ItemInputs, LinearOptions
from colisten.towers.parts import TRANSITIONS, TransitionsPart
from colisten.towers.relations import relation_scorer
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.linear_search import LinearSearch, users_judged
from colisten.towers.selection.mixing import Weights, choose_weights, mix_scorer
from colisten.towers.selection.optimism_search import choose_optimism
from colisten.towers.selection.ranking_task import RankingTask, Scorer
from colisten.towers.selection.tower_selection import Circumstances, TowerSelection
from colisten.towers.selection.transition_search import choose_half_life
from colisten.towers.selection.two_tower_search import TrialResult, TwoTowerSearch, default_options
from colisten.towers.selection.validation_split import MAX_USERS, ValidationSplit, split_validation
from colisten.towers.transitions import OrderedStreams, transition_matrix, transition_scorer
from colisten.towers.two_tower.model import TwoTowers
from colisten.towers.two_tower.replicas import Replicas
from colisten.towers.weak_signals import weak_signal_scores
from colisten.tracking import Tracker

DEFAULT_WEIGHTS = {"towers": 1.0, "demand": 0.8}
"""What parts count where nothing could be held out; item–item weights have no penalty then, and count nothing."""
_KEPT_FOR_TOWERS = 0.5
"""Share of the time for trying changes that those of the item–item weights leave to those of the towers."""


def select_on_validation(
    inputs: TowerInputs,
    held_out: Callable[[UserHistories], TowerInputs],
    about: ItemInputs | None,
    made: Circumstances,
    settings: Settings,
    progress: Progress,
    tracker: Tracker | None,
    replicas: Replicas,
) -> tuple[TwoTowers | None, TowerSelection]:
    """Hide pairs, and select what ranks them best; gives the towers that were trained for it, too, if any.

    Args:
        inputs: of all listening.
        held_out: the inputs as they would be by these histories alone.
        about: inputs of the item–item weights, where these are wanted.
        made: what is kept beside the selection.
        settings: which parts are wanted, for how long changes are tried, and from which seed.
        progress: advanced by every fit.
        tracker: gets the loss and validation of every epoch.
        replicas: what trains the towers together.
    """
    rng = np.random.default_rng(settings.seed)
    everyone = split_validation(inputs.everybody, inputs.is_target, inputs.strong, rng)
    selection = _default_selection(settings, made)
    if not len(everyone.users):
        return None, selection
    hidden = _Hidden(held_out(everyone.train), everyone, everyone.sample(MAX_USERS, rng), rng, settings, progress)
    search, found = GreedySearch(60 * settings.towers.minutes), None
    if about is not None:
        selection = replace(selection, linear=hidden.linear(about, made.item_types, search))
    if "towers" in settings.towers.parts:
        found = hidden.two_towers(search, tracker, replicas)
        data = found.run.data
        selection = replace(
            selection, training_options=data.training_options, epochs=found.epochs, recent=data.half_life
        )
    hidden.score_by_demand_and_what_is_given()
    for line in search.summary():
        progress.say(line)
    warm, cold, validation = choose_weights(hidden.task, hidden.scores)
    half_life = hidden.order(warm, cold) if TRANSITIONS in settings.towers.parts else None
    if half_life is not None:
        warm, cold, validation = choose_weights(hidden.task, hidden.scores)
    return found.run.model if found else None, replace(
        selection, half_life=half_life, optimism=hidden.optimism(warm, cold), warm=warm, cold=cold,
        validation=validation, tried=search.tried, kept=tuple(search.kept),
    )  # fmt: skip


@dataclass
class _Hidden:
    """A selection under way over hidden pairs: the parts that are scored so far."""

    inputs: TowerInputs
    """Of the training part alone."""
    everyone: ValidationSplit
    split: ValidationSplit
    """A sample of it, on which all but item–item weights are judged."""
    rng: np.random.Generator
    settings: Settings
    progress: Progress
    scores: dict[str, Scorer] = field(default_factory=dict)
    """Of the users asked in `split`, by part."""

    @cached_property
    def asked(self) -> UserHistories:
        return self.split.train.take(self.split.users)

    @cached_property
    def task(self) -> RankingTask:
        return self._task(self.split)

    @cached_property
    def demand(self) -> Floats | None:
        """[items] as of the split, if it is a part of the score."""
        if "demand" not in self.settings.towers.parts:
            return None
        return log_demand(self.split.train, self.inputs.strong, self.inputs.facts)

    def linear(self, about: ItemInputs, types: tuple[str, ...], search: GreedySearch) -> LinearOptions:
        """Item–item weights; `types` are the names of the item types."""
        with_towers = "towers" in self.settings.towers.parts
        search.reserved = search.seconds * _KEPT_FOR_TOWERS if with_towers else 0
        many = self.everyone.sample(users_judged(len(self.task.candidates), MAX_USERS), self.rng)
        trials = LinearSearch(many, self._task(many), about, types, self.progress)
        trial = trials.choose((self.inputs.strong, self.inputs.signals), search)
        self.scores["linear"] = trials.scorer(trial, self.split)
        search.reserved = 0
        return trial.options

    def two_towers(self, search: GreedySearch, tracker: Tracker | None, replicas: Replicas) -> TrialResult:
        """The two towers."""
        settings = self.settings
        data = self.inputs.training_set(self.split.train, settings, default_options(settings.towers))
        trials = TwoTowerSearch(
            data, self.asked, self.task, self.demand, settings.seed, self.progress, tracker, replicas
        )
        found, self.scores["towers"] = trials.choose(search)
        return found

    def score_by_demand_and_what_is_given(self) -> None:
        """Demand, weak signals and relations, which have nothing to select but their weights."""
        inputs, parts = self.inputs, self.settings.towers.parts
        if self.demand is not None:
            self.scores["demand"] = for_everybody(self.demand, self.task)
        rates = inputs.conversion_rates(self.split.train)
        if "weak_signals" in parts and rates:
            self.scores["weak_signals"] = lambda some: weak_signal_scores(
                self.asked.take(np.arange(len(self.asked))[some]), rates, self.task.candidates, len(inputs.is_target)
            )
        if "relations" in parts:
            self.scores |= {
                name: relation_scorer(self.asked, matrix, inputs.strong, self.task.candidates)
                for name, matrix in inputs.relations.items()
            }

    def order(self, warm: Weights, cold: Weights) -> float | None:
        """The half-life of what follows what, beside the parts so far; None where order says nothing."""
        streams = OrderedStreams.of(self.split.train, self.inputs.strong, len(self.inputs.is_target))
        if not streams.has_order:
            return None
        by_order = self._by_order(streams)
        half_life = choose_half_life(self.task, mix_scorer(self.task, self.scores, warm, cold), by_order)
        if half_life is not None:
            self.scores[TRANSITIONS] = by_order(half_life)
        return half_life

    def optimism(self, warm: Weights, cold: Weights) -> float:
        """What is added to the demand of items that nobody has heard."""
        demand = self.demand
        if demand is None:
            return 0.0
        heard = listeners(self.split.train, self.inputs.strong, len(self.inputs.is_target))

        def with_optimism(some: float) -> Scorer:
            hopeful = for_everybody(optimistic(demand, heard, some), self.task)
            return mix_scorer(self.task, self.scores | {"demand": hopeful}, warm, cold)

        return choose_optimism(self.task, heard[self.task.candidates], with_optimism)

    def _task(self, split: ValidationSplit) -> RankingTask:
        inputs = self.inputs
        return RankingTask.of(split, inputs.is_target, inputs.strong, inputs.negative_signals)

    def _by_order(self, streams: OrderedStreams) -> Callable[[float], Scorer]:
        """By half-life, scores by what followed what in the training part."""

        def scorer(half_life: float) -> Scorer:
            matrix = transition_matrix(streams, half_life)
            part = TransitionsPart(self.inputs.strong, half_life)
            return transition_scorer(self.asked, matrix, part, self.task.candidates)

        return scorer


def for_everybody(demand: Floats, task: RankingTask) -> Scorer:
    """The same scores `demand` [items] for all users, as they are served: rounded to half precision."""
    scores = rounded(demand[task.candidates, None])[:, 0]
    return lambda some: np.tile(scores, (len(task.warm[some]), 1))


def _default_selection(settings: Settings, made: Circumstances) -> TowerSelection:
    """Too little data to hold anything out: the towers and demand; demand where neither is wanted."""
    wanted: Weights = {part: weight for part, weight in DEFAULT_WEIGHTS.items() if part in settings.towers.parts}
    weights = wanted or {"demand": 1.0}
    options, epochs = default_options(settings.towers), settings.towers.epochs
    return TowerSelection(made, None, options, epochs, 0, None, 0.0, weights, weights, {}, {}, ())
