"""The item–item linear model: ridge regression weights for warm and for cold users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack

from colisten.arrays import Bools, Codes, Floats
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import latest_pairs
from colisten.progress import Progress
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.candidates import NearTexts, candidate_pool, near_texts
from colisten.towers.linear.interactions import Interactions
from colisten.towers.linear.item_weights import Ridge, item_weights
from colisten.towers.parts import COLD, WARM, LinearPart
from colisten.towers.scipy_rows import from_rows

_COLUMNS_AT_ONCE = 1 << 14
"""Items whose candidate pools are held at once: 310 MB."""


@dataclass(frozen=True)
class ItemInputs:
    """Item side inputs of the regressions."""

    text: Floats
    """[items, width ≥ 0] centred unit vectors, zeros where an item has no text."""
    is_target: Bools
    """[items]"""
    type_of: Codes
    """[items] item type."""
    near: NearTexts

    @classmethod
    def of(cls, text: Floats, is_target: Bools, type_of: Codes, progress: Progress) -> Self:
        """Look the nearest texts up."""
        return cls(text, is_target, type_of, near_texts(text, is_target, progress))


@dataclass(frozen=True)
class LinearOptions:
    """Hyper-parameters of the item–item weights."""

    signals: int
    """Signal codes below this count as having the item."""
    warm: Ridge
    """For users who know the target type."""
    cold: Ridge
    candidates: int = 50
    """Items that each is predicted from."""
    factors: Mapping[int, float] = field(default_factory=dict)
    """What items of other types count as predictors, by code of the type: 0 (not at all) … 1 (the default)."""

    def of_items(self, items: ItemInputs) -> tuple[Floats, Floats]:
        """[items] factors for warm users, and for cold ones, to whom the target's items say nothing."""
        by_type = np.array([self.factors.get(code, 1.0) for code in range(256)], np.float32)
        warm = np.where(items.is_target, 1, by_type[items.type_of]).astype(np.float32)
        return warm, np.where(items.is_target, 0, warm)


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
    return from_rows(csr_array(weights)[:-1])


def interaction_matrix(histories: UserHistories, items: int, signals: int) -> csr_array:
    """[users, items] float32: 1 where the user has an event with a signal code below `signals` on the item."""
    interactions = latest_pairs(histories, signals)
    return csr_array(
        (np.ones(len(interactions), np.float32), (interactions.users, interactions.items)),
        shape=(len(histories), items),
    )


def fit_linear(histories: UserHistories, about: ItemInputs, options: LinearOptions, progress: Progress) -> LinearModel:
    """Fit the weights of every item, of `_COLUMNS_AT_ONCE` items at a time."""
    interactions = Interactions.of(histories, len(about.is_target), options.signals)
    columns, factors = np.arange(len(about.is_target)), options.of_items(about)
    fitted: tuple[list[csc_array], list[csc_array]] = [], []
    for at in range(0, len(columns), _COLUMNS_AT_ONCE):
        piece = columns[at : at + _COLUMNS_AT_ONCE]
        pool = candidate_pool(interactions, about.text, about.near, piece, about.is_target, progress)
        for found, factor, ridge in zip(fitted, factors, (options.warm, options.cold), strict=True):
            (weights,) = item_weights(interactions, pool.select(options.candidates, factor), [ridge], progress)
            found.append(weights[:, piece])
    warm, cold = (csc_array(hstack(found, format="csc")) for found in fitted)
    return LinearModel(options, warm, cold, about.is_target)
