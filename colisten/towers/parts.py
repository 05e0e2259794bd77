"""The parts of a user vector, NumPy alone: the tower, the item–item weights, relations, weak signals, demand.

A score is the sum of its parts. Dense parts lie side by side in one vector, so that one dot product adds them; a sparse
part adds scores of its own to the items that its matrix joins to the history. How far a part's scores spread over the
target items differs from user to user; each part is divided by it (a z-score, less the mean, which does not change a
ranking), then weighted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from colisten.arrays import Bools, Floats
from colisten.listening.first_streams import FirstStreams
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import UserItemPairs, given_pairs, latest_pairs
from colisten.towers.features.user_features import UserFeatures

WARM, COLD = "linear", "linear_cold"
"""Names of the matrices of item–item weights, for users who know the target type and for the others."""
TRANSITIONS = "transitions"
"""Name of the matrix of what follows what."""
FADED = 6.0
"""Half-lives after which an item of the history says nothing any more of what follows."""


def weak_matrix(code: int) -> str:
    """Name of the matrix of a weak signal."""
    return f"weak_{code}"


class Part(Protocol):
    """A part of the score: a dense vector, rows of sparse item–item matrices, or both."""

    def encode(self, histories: UserHistories) -> Floats:
        """[users, width of the part] vectors whose dot products with the part's item vectors are scores."""
        ...

    def lookups(self, histories: UserHistories) -> Mapping[str, UserItemPairs]:
        """By the name of a matrix, the rows of each user whose sum is added to the scores: pairs ordered by user.

        The matrices are never negative: that is what makes the best items of the sum easy to find (`serving.ranking`).
        """
        ...


class DensePart(Protocol):
    """A part without sparse scores."""

    def lookups(self, histories: UserHistories) -> Mapping[str, UserItemPairs]:
        return {}


class SparsePart(Protocol):
    """A part without a dense vector."""

    def encode(self, histories: UserHistories) -> Floats:
        return np.empty((len(histories), 0), np.float32)


@dataclass(frozen=True)
class TowerPart(DensePart):
    """The user tower: unit vectors."""

    features: UserFeatures
    layers: Sequence[tuple[Floats, Floats]]
    """Weight [out, in] and bias [out] of each layer."""

    @property
    def width(self) -> int:
        """Of the vectors."""
        return len(self.layers[-1][1])

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
    """Item–item weights: the sum over the items of the history, and an intercept in two dense columns."""

    is_target: Bools
    signals: int
    """Events with signal codes below this count."""

    def encode(self, histories: UserHistories) -> Floats:
        is_warm = histories.touching(self.is_target)
        return np.stack([is_warm, ~is_warm], axis=1).astype(np.float32)

    def lookups(self, histories: UserHistories) -> Mapping[str, UserItemPairs]:
        is_warm = histories.touching(self.is_target)
        pairs = latest_pairs(histories, self.signals)
        known = is_warm[pairs.users]
        return {WARM: pairs.where(known), COLD: pairs.where(~known)}


@dataclass(frozen=True)
class DemandPart(DensePart):
    """The same for everybody."""

    def encode(self, histories: UserHistories) -> Floats:
        return np.ones((len(histories), 1), np.float32)


@dataclass(frozen=True)
class RelationPart(SparsePart):
    """A relation of the graph: the sum over the items that were streamed."""

    matrix: str
    """Its name."""
    strong: int
    """Events with signal codes below this count."""

    def lookups(self, histories: UserHistories) -> Mapping[str, UserItemPairs]:
        return {self.matrix: latest_pairs(histories, self.strong)}


@dataclass(frozen=True)
class TransitionsPart(SparsePart):
    """What follows what: the sum over the last items that were streamed, each newer one counting more."""

    strong: int
    """Events with signal codes below this count."""
    half_life: float
    """Items after which one counts half."""

    def lookups(self, histories: UserHistories) -> Mapping[str, UserItemPairs]:
        streams = FirstStreams.of(histories, self.strong)
        weights = np.exp2(-streams.newer / self.half_life).astype(np.float32)
        pairs = UserItemPairs(streams.users, streams.items, weights)
        return {TRANSITIONS: pairs.where(streams.newer < FADED * self.half_life)}


@dataclass(frozen=True)
class WeakSignalsPart(SparsePart):
    """Items that the user gave a weak signal, such as a follow, and has not streamed yet."""

    matrices: Mapping[int, str]
    """By code of the signal, the name of its matrix."""

    def lookups(self, histories: UserHistories) -> Mapping[str, UserItemPairs]:
        return {name: given_pairs(histories, code) for code, name in self.matrices.items()}
