"""The item–item linear model: ridge regression weights for warm and for cold users, cut to a low rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import block_diag, csc_array, csr_array, diags_array, vstack

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import pairs_of
from colisten.progress import Progress
from colisten.towers.linear.candidates import Candidates, candidates
from colisten.towers.linear.item_weights import Ridge, item_weights, with_everybody
from colisten.towers.linear.reduced_rank import reduced, score_sizes, some_users
from colisten.towers.parts import LinearPart

CANDIDATES = 50
"""Items that each is predicted from."""
RANK, MIN_RANK, RANK_BYTES = 1024, 128, 1 << 26
"""The vectors of all items take RANK_BYTES, unless that is more than enough, or would leave them too narrow."""
OTHER_TYPES = 0.1
"""What an error on another type's score counts against one on the target's, when the rank is cut."""
ITEMS_PER_USER = 1000
"""At most so many items of one user make weights, latest first: co-counts grow with its square."""


@dataclass(frozen=True)
class LinearOptions:
    """Hyper-parameters of the item–item weights."""

    signals: int
    """Signal codes below this count as having the item."""
    warm: Ridge
    """For users who know the target type."""
    cold: Ridge
    without: tuple[int, ...] = ()
    """Codes of item types that are no predictors."""


@dataclass(frozen=True)
class LinearModel:
    """Fitted weights, one set for users who know the target type and one for those who do not.

    The second predicts the target's items from the other types alone: in the first, what other types say of a target
    item is predicted by its neighbours of the target type, which a cold user has not got.
    """

    options: LinearOptions
    weights: csc_array
    """[2 × (items + 1), items]: rows of items and of what everybody has, as known to warm users, then to cold ones."""
    from_items: Floats
    """[2 × (items + 1), rank]"""
    to_items: Floats
    """[items, rank] weights ≈ from_items @ to_itemsᵀ"""
    is_target: Bools

    @property
    def part(self) -> LinearPart:
        return LinearPart(self.from_items, self.is_target, self.options.signals)


def interaction_matrix(histories: UserHistories, items: int, signals: int) -> csr_array:
    """[users, items] float32: 1 where the user has an event with a signal code below `signals` on the item."""
    counted = histories.keep(histories.signals < signals)
    back = counted.indptr[counted.owners + 1] - np.arange(len(counted.items))
    latest = counted.keep(back <= ITEMS_PER_USER)
    interactions = pairs_of(latest, signals)
    return csr_array(
        (np.ones(len(interactions), np.float32), (interactions.users, interactions.items)),
        shape=(len(histories), items),
    )


@dataclass(frozen=True)
class ItemInputs:
    """Item side inputs of the regressions."""

    text: Floats
    """[items, width ≥ 0] centred unit vectors, zeros where an item has no text."""
    is_target: Bools
    """[items]"""
    type_of: Codes
    """[items] item type."""


@dataclass(frozen=True)
class RegressionInputs:
    """Interactions and candidate predictors of some items: what a regression needs but for its penalties."""

    interactions: csr_array
    warm: Candidates
    cold: Candidates
    """None of them of the target type."""

    @classmethod
    def of(
        cls, histories: UserHistories, items: ItemInputs, signals: int, without: tuple[int, ...], columns: Int64s,
        progress: Progress,
    ) -> RegressionInputs:  # fmt: skip
        interactions = interaction_matrix(histories, len(items.is_target), signals)
        among = ~np.isin(items.type_of, without)
        warm = candidates(interactions, items.text, columns, CANDIDATES, among, progress)
        cold = candidates(interactions, items.text, columns, CANDIDATES, among & ~items.is_target, progress)
        return cls(interactions, warm, cold)


def fit_linear(
    histories: UserHistories, about: ItemInputs, options: LinearOptions, seed: int, progress: Progress
) -> LinearModel:
    """Fit the weights of every item and cut them to as many directions as their memory allows."""
    is_target, items = about.is_target, len(about.is_target)
    given = RegressionInputs.of(histories, about, options.signals, options.without, np.arange(items), progress)
    (warm,) = item_weights(given.interactions, given.warm, [options.warm], progress)
    (cold,) = item_weights(given.interactions, given.cold, [options.cold], progress)
    weights = csc_array(vstack([warm, cold]))
    # Everybody as they are, and everybody as if the target type were new to them.
    without = given.interactions @ diags_array((~is_target).astype(np.float32))
    rng = np.random.default_rng(seed)
    known = some_users(csr_array(block_diag([with_everybody(given.interactions), with_everybody(without)])), rng)
    size = np.maximum(score_sizes(known, weights, rng), 1)
    importance = (np.where(is_target, 1, OTHER_TYPES) / np.sqrt(size)).astype(np.float32)
    rank = min(RANK, max(MIN_RANK, RANK_BYTES // (4 * items)))
    from_items, to_items = reduced(known, weights, importance, rank, rng)
    return LinearModel(options, weights, from_items, to_items, is_target)
