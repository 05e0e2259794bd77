"""Hyper-parameter selection of the two towers: epochs, temperature, training pairs of other types, recency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from time import monotonic

import numpy as np

from colisten.arrays import Floats
from colisten.listening.histories import UserHistories
from colisten.progress import Progress
from colisten.settings import TowersSettings
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.ranking_task import RankingTask, Scorer, surely_behind
from colisten.towers.two_tower.replicas import ALONE, Replicas
from colisten.towers.two_tower.trainer import TrainingOptions, TrainingSet, TwoTowerTrainer
from colisten.tracking import Tracker

FINETUNING_EPOCHS, FINETUNING_RATE = 2, 0.3
"""After validation the towers go on over all data, at a slower pace, instead of starting anew."""
_LEAST_PAIRS = 20_000
"""Of an epoch in which a change is tried; training on so many is timed."""
RECENT = 30
"""Days: the half-life of the listening that they may be finished on."""
CHANGES = (
    ("temperature", 0.07),
    ("other_types", 3.0),
    ("history_half_life", 30.0),
    ("temperature", 0.05),
    ("temperature", 0.14),
    ("other_types", 0.0),
)
"""Changes to the defaults that are tried, the most promising first: a step further only where the one before it was
kept, one the other way only where it was not."""


@dataclass(frozen=True)
class TrialResult:
    """Towers trained on the training part, at their best epoch."""

    run: TwoTowerTrainer
    ndcg: Floats
    """[asked users]"""
    half_way: Floats
    """[asked users] after half of the epochs"""
    epochs: int
    """The best one, counted from 1."""


@dataclass(frozen=True)
class TwoTowerSearch:
    """Search over training options, each trained on the training part."""

    data: TrainingSet
    """Of the training part, with default options."""
    asked: UserHistories
    """The users of the task."""
    task: RankingTask
    demand: Floats | None
    """[items] as of the split, where it is a part of the score: towers are judged together with it."""
    seed: int
    progress: Progress
    tracker: Tracker | None = None
    replicas: Replicas = ALONE

    def choose(self, search: GreedySearch) -> tuple[TrialResult, Scorer]:
        """The best trial; where times are known, perhaps after epochs on recent pairs."""
        found = self._best(search)
        if self._timed:
            recent = replace(found.run.data, half_life=RECENT)
            model = deepcopy(found.run.model)
            late = TwoTowerTrainer(
                recent, self.seed, FINETUNING_EPOCHS, model=model, rate_scale=FINETUNING_RATE,
                replicas=self.replicas,
            )  # fmt: skip
            finetuned = self._train(late, FINETUNING_EPOCHS)
            if finetuned.ndcg.mean() > found.ndcg.mean():
                found = replace(finetuned, epochs=found.epochs)
        return found, self._scores(found.run, self._asked(found.run))

    def _best(self, search: GreedySearch) -> TrialResult:
        """The best trial. Where the time is too short to train on all pairs for each change, changes are tried on as
        many pairs as it is enough for, and what was chosen is trained on all."""
        began = monotonic()
        pairs = self._affordable_pairs(search.remaining)
        if pairs is None:
            started = monotonic()
            start = self._train_new(self.data)
            return search.best(start, monotonic() - started, self._changes(search))
        sample = replace(self, data=self._drawing(pairs))
        started = monotonic()
        start = sample._train_new(sample.data)
        took = monotonic() - started
        search.spent += monotonic() - began
        chosen = search.best(start, took, sample._changes(search))
        self.progress.say(f"  changes of the towers were tried on {pairs:,} pairs an epoch")
        return self._train_new(self.data.with_options(chosen.run.data.training_options))

    def _drawing(self, pairs: int) -> TrainingSet:
        """The training set, of which an epoch draws so many pairs at most."""
        return replace(self.data, settings=self.data.settings.model_copy(update={"pairs_per_epoch": pairs}))

    def _affordable_pairs(self, seconds: float) -> int | None:
        """Pairs an epoch with which every change may be trained in so many seconds, a 2ⁿ-th of all, but not so few that
        nothing would be learned of a change; None: all pairs, or there is no time for even one change."""
        draws, epochs, changes = self.data.draws, self.data.settings.epochs, len(self._free())
        if draws < 2 * _LEAST_PAIRS or not changes or seconds <= 0:
            return None
        run, clock = TwoTowerTrainer(self._drawing(_LEAST_PAIRS), self.seed, 2, replicas=self.replicas), []
        for _ in range(2):
            began = monotonic()
            run.epoch(self.progress, "timing the towers")
            clock.append(monotonic() - began)
        began = monotonic()
        self.task.ndcg(self._judged(run, self._asked(run)))
        judging, training = monotonic() - began, clock[1] / _LEAST_PAIRS
        once = max(clock[0] - clock[1], 0)  # for the features of all users
        affordable, pairs = ((seconds / (changes + 1) - once) / epochs - judging) / training, draws
        while pairs > max(affordable, _LEAST_PAIRS):
            pairs = max(pairs // 2, _LEAST_PAIRS)
        fits = 2 * (once + epochs * (judging + training * pairs)) <= seconds  # the defaults and one change
        return pairs if fits and pairs < draws else None

    def _free(self) -> list[tuple[str, float]]:
        """Changes of options that are not set."""
        idle = {"other_types": bool(self.data.is_target.all()), "history_half_life": not self._timed}
        return [
            (name, value) for name, value in CHANGES if getattr(self.data.settings, name) is None and not idle.get(name)
        ]

    @property
    def _timed(self) -> bool:
        """Is any time known?"""
        return int(self.data.histories.timestamps.max(initial=-1)) >= 0

    def _changes(self, search: GreedySearch) -> Iterator[tuple[str, Callable[[TrialResult], TrialResult]]]:
        """Those of them that are still promising as their turn comes."""
        for name, value in self._free():
            default = getattr(TrainingOptions(), name)
            before = [other for same, other in CHANGES[: CHANGES.index((name, value))] if same == name]
            if all(
                (f"{name} {other:g}" in search.kept) == ((other > default) == (value > default)) for other in before
            ):
                yield f"{name} {value:g}", partial(self._otherwise, name, value)

    def _otherwise(self, name: str, value: float, best: TrialResult) -> TrialResult:
        data = best.run.data
        return self._train_new(data.with_options(replace(data.training_options, **{name: value})), best)

    def _train_new(self, data: TrainingSet, rival: TrialResult | None = None) -> TrialResult:
        epochs = data.settings.epochs
        return self._train(TwoTowerTrainer(data, self.seed, epochs, replicas=self.replicas), epochs, rival)

    def _train(self, run: TwoTowerTrainer, epochs: int, rival: TrialResult | None = None) -> TrialResult:
        """Train, and go back to the epoch of the best validation NDCG (early stopping). Ends half way where the `rival`
        was surely ahead by then."""
        best, kept = np.full(len(self.task), -1, np.float32), run.model.state_dict()
        half_way, best_epoch, asked = best, 0, self._asked(run)
        for epoch in range(1, epochs + 1):
            loss = run.epoch(self.progress, f"training the towers, epoch {epoch} of {epochs}")
            ndcg = self.task.ndcg(self._judged(run, asked))
            if self.tracker:
                self.tracker.after_epoch(loss=loss, validation=float(ndcg.mean()), **asdict(run.data.training_options))
            if ndcg.mean() > best.mean():
                best, best_epoch, kept = (
                    ndcg,
                    epoch,
                    {name: value.clone() for name, value in run.model.state_dict().items()},
                )
            if epoch == -(-epochs // 2):
                half_way = ndcg
                if rival and surely_behind(ndcg, rival.half_way):
                    break
        run.model.load_state_dict(kept)
        return TrialResult(run, best, half_way, best_epoch)

    def _asked(self, run: TwoTowerTrainer) -> Floats:
        """[asked users, width] their features, as these towers see them."""
        return run.data.features.encode(self.asked)

    def _judged(self, run: TwoTowerTrainer, asked: Floats) -> Scorer:
        """The towers' logits and demand, whose sum they learn where they are not corrected for it."""
        scores = self._scores(run, asked)
        if self.demand is None or self.data.settings.corrected:
            return scores
        demand, temperature = self.demand[self.task.candidates], run.data.training_options.temperature
        return lambda some: scores(some) / temperature + demand

    def _scores(self, run: TwoTowerTrainer, asked: Floats) -> Scorer:
        users, items = run.user_vectors(asked), run.item_vectors(self.task.candidates)
        return lambda some: users[some] @ items.T


def default_options(options: TowersSettings) -> TrainingOptions:
    """The options that are set, and defaults where none is."""
    given = {name: getattr(options, name) for name in asdict(TrainingOptions())}
    return replace(TrainingOptions(), **{name: value for name, value in given.items() if value is not None})
