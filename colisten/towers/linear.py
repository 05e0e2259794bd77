"""The linear part: item–item weights fitted, chosen on validation and cut to a low rank."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array, csr_array

from colisten.arrays import Bools, Floats, Int32s
from colisten.progress import Progress
from colisten.towers.history import distinct
from colisten.towers.holdout import HoldOut
from colisten.towers.item_weights import item_weights, nearest
from colisten.towers.listeners import Listeners
from colisten.towers.parts import LinearPart
from colisten.towers.ranking import Task
from colisten.towers.reduced_rank import reduced

NEIGHBOURS = 100
PENALTIES = (30.0, 100.0, 300.0)
RANKS = (64, 128, 256, 512)
RANK_LOSS = 0.01
"""Share of the validation gain that a lower rank may cost."""
OTHER_TYPES = 0.1
"""What an error on another type's score counts against one on the target's, when the rank is cut."""
ITEMS_PER_USER = 1000
"""At most so many items of one user make weights, latest first: co-counts grow with its square."""


@dataclass(frozen=True)
class LinearChoice:
    """What validation chose."""

    signals: int
    """Signal codes below this count as having the item."""
    penalty: float
    rank: int


@dataclass(frozen=True)
class Linear:
    """Fitted weights."""

    choice: LinearChoice
    weights: csc_array
    """[items, items]"""
    from_items: Floats
    to_items: Floats
    """[items, rank] weights ≈ from_items @ to_itemsᵀ"""

    @property
    def part(self) -> LinearPart:
        return LinearPart(self.from_items, self.choice.signals)


def heard_matrix(listeners: Listeners, items: int, signals: int) -> csr_array:
    """[users, items] float32: 1 where the user has an event with a signal code below `signals` on the item."""
    counted = listeners.keep(listeners.signals < signals)
    back = counted.indptr[counted.owners + 1] - np.arange(len(counted.items))
    latest = counted.keep(back <= ITEMS_PER_USER)
    owners, columns = np.divmod(distinct(latest.owners << 32 | latest.items), 1 << 32)
    return csr_array((np.ones(len(owners), np.float32), (owners, columns)), shape=(len(listeners), items))


class LinearTrials:
    """Fits on the kept part of the data, for the target's items alone."""

    def __init__(self, held: HoldOut, task: Task, is_target: Bools, progress: Progress) -> None:
        self.held, self.task, self.is_target, self.progress = held, task, is_target, progress
        self._near: dict[int, tuple[csr_array, Int32s]] = {}

    def gain(self, choice: LinearChoice) -> float:
        """What validation says of the weights before their rank is cut."""
        if choice.signals not in self._near:
            heard = heard_matrix(self.held.kept, len(self.is_target), choice.signals)
            self._near[choice.signals] = heard, nearest(heard, NEIGHBOURS)
        heard, near = self._near[choice.signals]
        weights = item_weights(heard, near, self.task.candidates, choice.penalty, self.progress)
        scores = (heard[self.held.users] @ weights[:, self.task.candidates]).toarray()
        return float(self.task.ndcg(scores).mean())

    def choose(self, codes: tuple[int, int]) -> tuple[LinearChoice, float]:
        """Weak signals as history or not (`codes`: strong ones, all), then the penalty; at most four fits."""
        middle = LinearChoice(codes[0], PENALTIES[1], max(RANKS))
        tried = [(self.gain(trial), trial) for trial in (replace(middle, signals=s) for s in sorted(set(codes)))]
        best = max(tried, key=lambda pair: pair[0])[1]
        others = (replace(best, penalty=penalty) for penalty in PENALTIES if penalty != best.penalty)
        tried += [(self.gain(trial), trial) for trial in others]
        gain, best = max(tried, key=lambda pair: pair[0])
        return best, gain

    def cut(self, fitted: Linear, gain: float) -> Linear:
        """The lowest rank that costs no more than `RANK_LOSS` of the gain."""
        choice = fitted.choice
        asked = heard_matrix(self.held.kept.take(self.held.users), len(self.is_target), choice.signals)
        users = asked @ fitted.from_items
        for rank in RANKS:
            scores = users[:, :rank] @ fitted.to_items[self.task.candidates, :rank].T
            if rank >= users.shape[1] or float(self.task.ndcg(scores).mean()) >= (1 - RANK_LOSS) * gain:
                break
        rank = min(rank, users.shape[1])
        return Linear(
            replace(choice, rank=rank), fitted.weights, fitted.from_items[:, :rank], fitted.to_items[:, :rank]
        )


def fit_linear(listeners: Listeners, is_target: Bools, choice: LinearChoice, seed: int, progress: Progress) -> Linear:
    """Fit the weights of every item and cut them to the chosen rank."""
    heard = heard_matrix(listeners, len(is_target), choice.signals)
    every = np.arange(len(is_target))
    weights = item_weights(heard, nearest(heard, NEIGHBOURS), every, choice.penalty, progress)
    size = np.sqrt(np.asarray((heard @ weights).power(2).sum(axis=0)).ravel())
    importance = (np.where(is_target, 1, OTHER_TYPES) / np.sqrt(np.maximum(size, 1))).astype(np.float32)
    rng = np.random.default_rng(seed)
    return Linear(choice, weights, *reduced(heard, weights, importance, choice.rank, rng))
