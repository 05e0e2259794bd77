"""The linear part: item–item weights fitted, chosen on validation and cut to a low rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

import numpy as np
from scipy.sparse import block_diag, csc_array, csr_array, diags_array, vstack

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.progress import Progress
from colisten.towers.candidates import Candidates, candidates
from colisten.towers.climbing import Climb
from colisten.towers.holdout import HoldOut
from colisten.towers.item_weights import Ridge, item_weights, with_everybody
from colisten.towers.listeners import Listeners
from colisten.towers.pairs import pairs_of
from colisten.towers.parts import LinearPart
from colisten.towers.ranking import Task
from colisten.towers.reduced_rank import reduced, score_sizes, some_users

CANDIDATES = 50
"""Items that each is predicted from."""
RIDGES = tuple(Ridge(penalty, text) for text in (0.0, 0.05, 0.15) for penalty in (2000.0, 600.0, 200.0, 60.0, 30.0))
RANK, LEAST_RANK, RANK_BYTES = 1024, 128, 1 << 26
"""The vectors of all items take RANK_BYTES, unless that is more than enough, or would leave them too narrow."""
OTHER_TYPES = 0.1
"""What an error on another type's score counts against one on the target's, when the rank is cut."""
TYPES_TRIED = 8
"""At most so many item types are tried to be left out."""
ITEMS_PER_USER = 1000
"""At most so many items of one user make weights, latest first: co-counts grow with its square."""


@dataclass(frozen=True)
class LinearChoice:
    """What validation chose."""

    signals: int
    """Signal codes below this count as having the item."""
    warm: Ridge
    """For users who know the target type."""
    cold: Ridge
    without: tuple[int, ...] = ()
    """Codes of item types that say nothing."""


@dataclass(frozen=True)
class Linear:
    """Fitted weights, one set for users who know the target type and one for those who do not.

    The second predicts the target's items from the other types alone: in the first, what other types say of a target
    item is told by its neighbours of the target type, which a cold user has not got.
    """

    choice: LinearChoice
    weights: csc_array
    """[2 × (items + 1), items]: rows of items and of what everybody has, as known to warm users, then to cold ones."""
    from_items: Floats
    """[2 × (items + 1), rank]"""
    to_items: Floats
    """[items, rank] weights ≈ from_items @ to_itemsᵀ"""
    is_target: Bools

    @property
    def part(self) -> LinearPart:
        return LinearPart(self.from_items, self.is_target, self.choice.signals)


def heard_matrix(listeners: Listeners, items: int, signals: int) -> csr_array:
    """[users, items] float32: 1 where the user has an event with a signal code below `signals` on the item."""
    counted = listeners.keep(listeners.signals < signals)
    back = counted.indptr[counted.owners + 1] - np.arange(len(counted.items))
    latest = counted.keep(back <= ITEMS_PER_USER)
    heard = pairs_of(latest, signals)
    return csr_array((np.ones(len(heard), np.float32), (heard.users, heard.items)), shape=(len(listeners), items))


@dataclass(frozen=True)
class Items:
    """What is known of the items."""

    text: Floats
    """[items, width ≥ 0] centred unit vectors, zeros where an item has no text."""
    is_target: Bools
    """[items]"""
    type_of: Codes
    """[items] item type."""


@dataclass(frozen=True)
class Regressions:
    """What weights of some items are fitted from, but for the penalties."""

    heard: csr_array
    warm: Candidates
    cold: Candidates
    """None of them of the target type."""

    @classmethod
    def of(
        cls, listeners: Listeners, items: Items, signals: int, without: tuple[int, ...], columns: Int64s,
        progress: Progress,
    ) -> Regressions:  # fmt: skip
        heard = heard_matrix(listeners, len(items.is_target), signals)
        among = ~np.isin(items.type_of, without)
        warm = candidates(heard, items.text, columns, CANDIDATES, among, progress)
        cold = candidates(heard, items.text, columns, CANDIDATES, among & ~items.is_target, progress)
        return cls(heard, warm, cold)


def fit_linear(listeners: Listeners, about: Items, choice: LinearChoice, seed: int, progress: Progress) -> Linear:
    """Fit the weights of every item and cut them to as many directions as their memory allows."""
    is_target, items = about.is_target, len(about.is_target)
    given = Regressions.of(listeners, about, choice.signals, choice.without, np.arange(items), progress)
    (warm,) = item_weights(given.heard, given.warm, [choice.warm], progress)
    (cold,) = item_weights(given.heard, given.cold, [choice.cold], progress)
    weights = csc_array(vstack([warm, cold]))
    # Everybody as they are, and everybody as if the target type were new to them.
    without = given.heard @ diags_array((~is_target).astype(np.float32))
    rng = np.random.default_rng(seed)
    known = some_users(csr_array(block_diag([with_everybody(given.heard), with_everybody(without)])), rng)
    size = np.maximum(score_sizes(known, weights, rng), 1)
    importance = (np.where(is_target, 1, OTHER_TYPES) / np.sqrt(size)).astype(np.float32)
    rank = min(RANK, max(LEAST_RANK, RANK_BYTES // (4 * items)))
    from_items, to_items = reduced(known, weights, importance, rank, rng)
    return Linear(choice, weights, from_items, to_items, is_target)


@dataclass(frozen=True)
class LinearScores:
    """What weights fitted on the kept part of the data say of the candidates, to each asked user."""

    heard: csr_array
    """[users, items + 1]"""
    warm: csc_array
    """[items + 1, candidates]"""
    cold: csc_array
    is_warm: Bools

    def __call__(self, users: slice) -> Floats:
        warm, cold = ((self.heard[users] @ weights).toarray() for weights in (self.warm, self.cold))
        scores: Floats = np.where(self.is_warm[users, None], warm, cold)
        return scores


@dataclass(frozen=True)
class LinearTrial:
    """Weights fitted in one way, and what validation says of them."""

    choice: LinearChoice
    scores: LinearScores
    gains: Floats
    """[asked users]"""


@dataclass(frozen=True)
class LinearTrials:
    """Weights of the target's items, fitted on the kept part of the data."""

    held: HoldOut
    task: Task
    items: Items
    types: tuple[str, ...]
    """Names of the item types."""
    progress: Progress

    def choose(self, codes: tuple[int, int], climb: Climb) -> tuple[LinearChoice, LinearScores]:
        """Weak signals as history or not (`codes`: strong ones, all), the ridges for warm and for cold users, and the
        item types that had better say nothing."""
        began = monotonic()
        tried = [self._best(signals) for signals in sorted(set(codes))]
        best = max(tried, key=lambda each: float(each.gains.mean()))
        found = climb.best(best, (monotonic() - began) / len(tried), self._changes())
        return found.choice, found.scores

    def _changes(self) -> Iterator[tuple[str, Callable[[LinearTrial], LinearTrial]]]:
        """Each of the other types left out, those heard most first."""
        of_others = self.items.type_of[self.held.kept.items[~self.items.is_target[self.held.kept.items]]]
        events = np.bincount(of_others, minlength=len(self.types))
        for code in np.argsort(-events, kind="stable")[: min(TYPES_TRIED, np.count_nonzero(events))].tolist():
            yield f"weights without {self.types[code]}", partial(self._without, code)

    def _without(self, code: int, best: LinearTrial) -> LinearTrial:
        choice = replace(best.choice, without=(*best.choice.without, code))
        (scores,) = self._scores(choice.signals, choice.without, [choice.warm], [choice.cold])
        return LinearTrial(choice, scores, self.task.gains(scores))

    def _best(self, signals: int) -> LinearTrial:
        """These signals at the best ridges."""
        scores = self._scores(signals, (), RIDGES, RIDGES)
        verdicts = self.task.judge(lambda users: (each(users) for each in scores))
        warm, cold = (self.task.best(verdicts, segment) for segment in (True, False))
        gains = np.where(self.held.warm, verdicts[warm].gains, verdicts[cold].gains)
        choice = LinearChoice(signals, RIDGES[warm], RIDGES[cold])
        return LinearTrial(choice, replace(scores[warm], cold=scores[cold].cold), gains)

    def _scores(
        self, signals: int, without: tuple[int, ...], warm: Sequence[Ridge], cold: Sequence[Ridge]
    ) -> list[LinearScores]:
        """Of every pair of ridges."""
        columns = self.task.candidates
        given = Regressions.of(self.held.kept, self.items, signals, without, columns, self.progress)
        heard = with_everybody(given.heard)[self.held.users]
        tried = ((given.warm, warm), (given.cold, cold))
        both = (item_weights(given.heard, near, ridges, self.progress) for near, ridges in tried)
        return [
            LinearScores(heard, warm[:, columns], cold[:, columns], self.held.warm)
            for warm, cold in zip(*both, strict=True)
        ]
