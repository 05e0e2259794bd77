"""The parts of a user vector, NumPy alone: the tower, the item–item weights, popularity.

Parts lie side by side in the vectors, so that one dot product adds their scores. How far a part's scores spread over
the target items differs from user to user; each part is divided by it (a z-score, less the mean, which does not change
a ranking), then weighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from colisten.arrays import Bools, Floats
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import pairs_of
from colisten.towers.features.bags import BagEntries, bag_sums
from colisten.towers.features.user_features import UserFeatures


class Part(Protocol):
    """Encodes users as vectors whose dot products with the part's item vectors are scores."""

    def encode(self, histories: UserHistories) -> Floats:
        """[users, width of the part]."""
        ...


@dataclass(frozen=True)
class TowerPart:
    """The user tower: unit vectors."""

    features: UserFeatures
    layers: Sequence[tuple[Floats, Floats]]
    """Weight [out, in] and bias [out] of each layer."""

    def encode(self, histories: UserHistories) -> Floats:
        x = self.features.encode(histories)
        for weight, bias in self.layers[:-1]:
            x = np.maximum(x @ weight.T + bias, 0)
        weight, bias = self.layers[-1]
        x = x @ weight.T + bias
        vectors: Floats = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        return vectors


@dataclass(frozen=True)
class LinearPart:
    """Item–item weights in low rank: the sum over the items of the history, and an intercept."""

    from_items: Floats
    """[2 × (items + 1), rank]: items, then everybody, for users who know the target type; the same for the others."""
    is_target: Bools
    signals: int
    """Events with signal codes below this count."""

    def encode(self, histories: UserHistories) -> Floats:
        everybody = len(self.is_target)
        half = np.where(histories.touching(self.is_target), 0, everybody + 1)
        pairs = pairs_of(histories, self.signals)
        nothing = np.zeros_like(pairs.items)
        history = BagEntries(len(histories), pairs.users, pairs.items + half[pairs.users], nothing, nothing)
        summed: Floats = bag_sums(history, 1, self.from_items)[0][:, 0] + self.from_items[half + everybody]
        return summed


@dataclass(frozen=True)
class PopularPart:
    """The same for everybody."""

    def encode(self, histories: UserHistories) -> Floats:
        return np.ones((len(histories), 1), np.float32)


def spread_of(items: Floats) -> Floats:
    """[width, width] covariance of item vectors: u spread uᵀ is the variance of the scores of u."""
    centred = items - items.mean(axis=0, keepdims=True)
    spread: Floats = (centred.T @ centred / max(len(items), 1)).astype(np.float32)
    return spread


def scaled(vectors: Floats, spread: Floats) -> Floats:
    """User vectors whose scores have the variance 1; a user with no score at all stays zero."""
    variance = np.einsum("ij,ij->i", vectors @ spread, vectors)
    steady: Floats = vectors / np.sqrt(np.maximum(variance, 1e-12))[:, None]
    return np.where(variance[:, None] > 1e-10, steady, 0).astype(np.float32)
