"""The item–item linear model: ridge regression weights for warm and for cold users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import latest_pairs
from colisten.progress import Progress
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.candidates import Candidates, candidates
from colisten.towers.linear.item_weights import Ridge, item_weights
from colisten.towers.parts import COLD, WARM, LinearPart

CANDIDATES = 50
"""Items that each is predicted from."""


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
    warm: csc_array
    """[items + 1, items]: rows of items, then the intercepts."""
    cold: csc_array
    is_target: Bools

    @property
    def part(self) -> LinearPart:
        return LinearPart(self.is_target, self.options.signals)

    @property
    def matrices(self) -> dict[str, ItemMatrix]:
        """Of the part."""
        return {WARM: _matrix(self.warm), COLD: _matrix(self.cold)}

    @property
    def intercepts(self) -> Floats:
        """[items, 2] of warm and of cold users: the dense columns of the part."""
        last = [weights[[-1]].toarray()[0] for weights in (self.warm, self.cold)]
        return np.stack(last, axis=1).astype(np.float32)


def _matrix(weights: csc_array) -> ItemMatrix:
    """The rows of items."""
    rows = csr_array(weights)[:-1]
    rows.sort_indices()
    return ItemMatrix(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data.astype(np.float32))


def interaction_matrix(histories: UserHistories, items: int, signals: int) -> csr_array:
    """[users, items] float32: 1 where the user has an event with a signal code below `signals` on the item."""
    interactions = latest_pairs(histories, signals)
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


def fit_linear(histories: UserHistories, about: ItemInputs, options: LinearOptions, progress: Progress) -> LinearModel:
    """Fit the weights of every item."""
    given = RegressionInputs.of(
        histories, about, options.signals, options.without, np.arange(len(about.is_target)), progress
    )
    (warm,) = item_weights(given.interactions, given.warm, [options.warm], progress)
    (cold,) = item_weights(given.interactions, given.cold, [options.cold], progress)
    return LinearModel(options, warm, cold, about.is_target)
