"""The linear part: item–item weights fitted, chosen on validation and cut to a low rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import block_diag, csc_array, csr_array, diags_array, vstack

from colisten.arrays import Bools, Floats, Int32s, Int64s
from colisten.progress import Progress
from colisten.towers.history import distinct
from colisten.towers.holdout import HoldOut
from colisten.towers.item_weights import item_weights, nearest
from colisten.towers.listeners import Listeners
from colisten.towers.parts import LinearPart
from colisten.towers.ranking import LEAST_USERS, Task, not_worse
from colisten.towers.reduced_rank import reduced

NEIGHBOURS = 100
PENALTIES = (10.0, 30.0, 100.0)
RANKS = (64, 128, 256, 512)
OTHER_TYPES = 0.1
"""What an error on another type's score counts against one on the target's, when the rank is cut."""
ITEMS_PER_USER = 1000
"""At most so many items of one user make weights, latest first: co-counts grow with its square."""


class Penalties(NamedTuple):
    """λ of the weights for users who know the target type, and for those who do not; in listeners."""

    warm: float
    cold: float


@dataclass(frozen=True)
class LinearChoice:
    """What validation chose."""

    signals: int
    """Signal codes below this count as having the item."""
    penalties: Penalties
    rank: int


@dataclass(frozen=True)
class Linear:
    """Fitted weights, one set for users who know the target type and one for those who do not.

    The second predicts the target's items from the other types alone: in the first, what other types say of a target
    item is told by its neighbours of the target type, which a cold user has not got.
    """

    choice: LinearChoice
    weights: csc_array
    """[2 × items, items]: rows of items as known to warm users, then to cold ones."""
    from_items: Floats
    """[2 × items, rank]"""
    to_items: Floats
    """[items, rank] weights ≈ from_items @ to_itemsᵀ"""
    is_target: Bools

    @property
    def part(self) -> LinearPart:
        return LinearPart(self.from_items, self.is_target, self.choice.signals)

    def cut_to(self, rank: int) -> Linear:
        """The same with the first `rank` directions."""
        choice = replace(self.choice, rank=min(rank, self.from_items.shape[1]))
        return replace(self, choice=choice, from_items=self.from_items[:, :rank], to_items=self.to_items[:, :rank])


def heard_matrix(listeners: Listeners, items: int, signals: int) -> csr_array:
    """[users, items] float32: 1 where the user has an event with a signal code below `signals` on the item."""
    counted = listeners.keep(listeners.signals < signals)
    back = counted.indptr[counted.owners + 1] - np.arange(len(counted.items))
    latest = counted.keep(back <= ITEMS_PER_USER)
    owners, columns = np.divmod(distinct(latest.owners << 32 | latest.items), 1 << 32)
    return csr_array((np.ones(len(owners), np.float32), (owners, columns)), shape=(len(listeners), items))


@dataclass(frozen=True)
class Neighbours:
    """What weights are fitted from, but for the penalty."""

    heard: csr_array
    is_target: Bools
    warm: Int32s
    """[items, k] items that each may be predicted from."""
    cold: Int32s
    """The same without items of the target type."""

    @classmethod
    def of(cls, listeners: Listeners, is_target: Bools, signals: int) -> Neighbours:
        heard = heard_matrix(listeners, len(is_target), signals)
        warm = nearest(heard, NEIGHBOURS, np.ones_like(is_target))
        return cls(heard, is_target, warm, nearest(heard, NEIGHBOURS, ~is_target))

    def weights(self, columns: Int64s, penalties: Penalties, progress: Progress) -> csc_array:
        """[2 × items, items], filled for `columns`."""
        target = columns[self.is_target[columns]]
        warm = item_weights(self.heard, self.warm, columns, penalties.warm, progress)
        cold = item_weights(self.heard, self.cold, target, penalties.cold, progress)
        return csc_array(vstack([warm, warm @ diags_array((~self.is_target).astype(np.float32)) + cold]))

    def as_known(self) -> csr_array:
        """[2 × users, 2 × items]: everybody as they are, and everybody as if the target type were new to them."""
        without = self.heard @ diags_array((~self.is_target).astype(np.float32))
        return csr_array(block_diag([self.heard, without]))


def fit_linear(listeners: Listeners, is_target: Bools, choice: LinearChoice, seed: int, progress: Progress) -> Linear:
    """Fit the weights of every item and cut them to the chosen rank."""
    neighbours = Neighbours.of(listeners, is_target, choice.signals)
    weights = neighbours.weights(np.arange(len(is_target)), choice.penalties, progress)
    heard = neighbours.as_known()
    size = np.sqrt(np.asarray((heard @ weights).power(2).sum(axis=0)).ravel())
    importance = (np.where(is_target, 1, OTHER_TYPES) / np.sqrt(np.maximum(size, 1))).astype(np.float32)
    from_items, to_items = reduced(heard, weights, importance, choice.rank, np.random.default_rng(seed))
    return Linear(choice, weights, from_items, to_items, is_target)


class LinearTrials:
    """Fits on the kept part of the data, for the target's items alone."""

    def __init__(self, held: HoldOut, task: Task, is_target: Bools, progress: Progress) -> None:
        self.held, self.task, self.is_target, self.progress = held, task, is_target, progress
        self._neighbours: dict[int, Neighbours] = {}

    def gains(self, signals: int, penalty: float) -> Floats:
        """[asked users] what validation says of the weights before their rank is cut."""
        if signals not in self._neighbours:
            self._neighbours[signals] = Neighbours.of(self.held.kept, self.is_target, signals)
        neighbours = self._neighbours[signals]
        penalties = Penalties(penalty, penalty)
        weights = neighbours.weights(self.task.candidates, penalties, self.progress)[:, self.task.candidates]
        heard, items = neighbours.heard[self.held.users], len(self.is_target)
        warm, cold = ((heard @ half).toarray() for half in (weights[:items], weights[items:]))
        return self.task.ndcg(np.where(self.held.warm[:, None], warm, cold))

    def choose(self, codes: tuple[int, int]) -> tuple[LinearChoice, Floats]:
        """Weak signals as history or not (`codes`: strong ones, all), then the penalties; at most four fits.

        Also returns the gain of each asked user before the rank is cut.
        """
        middle = PENALTIES[len(PENALTIES) // 2]
        by_signals = {signals: self.gains(signals, middle) for signals in sorted(set(codes))}
        signals = max(by_signals, key=lambda code: by_signals[code].mean())
        tried = {
            penalty: by_signals[signals] if penalty == middle else self.gains(signals, penalty) for penalty in PENALTIES
        }
        warm, cold = self._best(tried, self.held.warm), self._best(tried, ~self.held.warm)
        gains = np.where(self.held.warm, tried[warm], tried[cold])
        return LinearChoice(signals, Penalties(warm, cold), max(RANKS)), gains

    @staticmethod
    def _best(tried: dict[float, Floats], segment: Bools) -> float:
        """The smallest penalty that is not worse than the best: it leaves the long tail most."""
        if segment.sum() < LEAST_USERS:
            segment = np.ones_like(segment)
        fine = not_worse(np.stack([gains[segment] for gains in tried.values()]))
        return min(penalty for penalty, is_fine in zip(tried, fine, strict=True) if is_fine)

    def cut(self, fitted: Linear, whole: Floats) -> Linear:
        """The lowest rank that is not worse than the weights as a `whole` [asked users], else the highest."""
        users = fitted.part.encode(self.held.kept.take(self.held.users))
        for rank in RANKS[:-1]:
            scores = users[:, :rank] @ fitted.to_items[self.task.candidates, :rank].T
            if not_worse(np.stack([self.task.ndcg(scores), whole])).argmax() == 0:
                return fitted.cut_to(rank)
        return fitted.cut_to(RANKS[-1])
