"""What a user's scores are computed from: a dense vector for dot products, and sparse scores beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from colisten.arrays import Bools, Floats, Floats64, Halves, Int64s
from colisten.ragged import offsets
from colisten.towers.item_matrix import NO_SCORES, SparseScores, merged

_ROWS_AT_ONCE = 1 << 16
"""Item vectors gathered at once: bounds memory (34 MB at a width of 131)."""


@dataclass(frozen=True)
class UserVectors:
    """An item's score for a user is the dot product of `dense` with the item's vector, plus the sparse score."""

    dense: Floats
    """[users, width]"""
    sparse: SparseScores = NO_SCORES

    def __len__(self) -> int:
        return len(self.dense)

    def take(self, users: Int64s) -> UserVectors:
        """Some of the users, in the order given."""
        if len(self) == len(users) == 1:
            return self
        return UserVectors(self.dense[users], self.sparse.take(users))

    def times(self, factors: Floats) -> UserVectors:
        """Each user's scores by that user's factor [users] ≥ 0."""
        return UserVectors(self.dense * factors[:, None], self.sparse.times(factors))

    def scores(self, item_vectors: Floats | Halves, items: Int64s) -> Floats:
        """[users, n] of each of these items, `item_vectors` [items, width] being those of all."""
        scores: Floats = self.dense @ item_vectors[items].astype(np.float32).T
        place = np.full(len(item_vectors), -1)
        place[items] = np.arange(len(items))
        column = place[self.sparse.items]
        here = column >= 0
        scores[self.sparse.owners[here], column[here]] += self.sparse.values[here]
        return scores

    def dot(self, item_vectors: Floats | Halves, owners: Int64s, items: Int64s) -> Floats:
        """[n] dense part of the score of each of these (user, item)."""
        found = np.empty(len(items), np.float32)
        for start in range(0, len(items), _ROWS_AT_ONCE):
            some = slice(start, start + _ROWS_AT_ONCE)
            rows = item_vectors[items[some]].astype(np.float32, copy=False)
            np.einsum("ij,ij->i", rows, self.dense[owners[some]], out=found[some])
        return found


def side_by_side(parts: Sequence[UserVectors], scale: Floats) -> UserVectors:
    """The sum of the parts' scores, for item vectors that were divided by `scale` [width]."""
    dense = np.concatenate([part.dense for part in parts], axis=1)
    return UserVectors(dense * scale, merged([part.sparse for part in parts]))


def one_after_the_other(users: Sequence[UserVectors]) -> UserVectors:
    """The vectors of several groups of users."""
    firsts = offsets(np.array([len(each) for each in users]))
    keys = [each.sparse.keys + (first << 32) for each, first in zip(users, firsts.tolist(), strict=False)]
    values = np.concatenate([each.sparse.values for each in users])
    return UserVectors(np.concatenate([each.dense for each in users]), SparseScores(np.concatenate(keys), values))


@dataclass(frozen=True)
class Spread:
    """What the variance of scores over some items is computed from, without computing the scores."""

    covariance: Floats
    """[width, width] of the vectors of those items: u covariance uᵀ is the variance of the dense scores of u."""
    mean: Floats
    """[width]"""
    item_vectors: Floats
    """[items, width] of all items; none is needed for users without sparse scores."""
    among: Bools
    """[items] those items."""

    @classmethod
    def of(cls, item_vectors: Floats, among: Bools) -> Spread:
        """`item_vectors` [items, width]; at least one of them is `among`."""
        chosen = item_vectors[among].astype(np.float64)
        mean = chosen.mean(axis=0)
        chosen -= mean
        covariance = chosen.T @ chosen / len(chosen)
        return cls(covariance.astype(np.float32), mean.astype(np.float32), item_vectors, among)

    @cached_property
    def _items(self) -> int:
        """How many they are."""
        return int(self.among.sum())

    def variance(self, vectors: UserVectors) -> Floats64:
        """[users] variance of their scores over the items."""
        dense = vectors.dense.astype(np.float64)
        variance: Floats64 = np.einsum("ij,ij->i", dense @ self.covariance, dense)
        counted = self.among[vectors.sparse.items]
        if not counted.any():
            return variance
        owners, items = vectors.sparse.owners[counted], vectors.sparse.items[counted]
        values = vectors.sparse.values[counted].astype(np.float64)
        dot = vectors.dot(self.item_vectors, owners, items) - (dense @ self.mean)[owners]
        first, second, crossed = (
            np.bincount(owners, weights, minlength=len(dense)) / self._items
            for weights in (values, values**2, values * dot)
        )
        return variance + second - first**2 + 2 * crossed

    def scale(self, vectors: UserVectors) -> Floats:
        """[users] what scores are multiplied by to have variance 1 over the items; zero for a user without any."""
        variance = self.variance(vectors)
        scale = np.where(variance > 1e-10, 1 / np.sqrt(np.maximum(variance, 1e-12)), 0)
        return scale.astype(np.float32)
