"""A recommender from given user and item vectors: a score is their dot product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.listening.data import ListeningData


@dataclass
class VectorModel(Baseline):
    """Score of item j for user u: `users`[u] · `items`[j]."""

    users: Floats
    """float32 [users, width]"""
    items: Floats
    """float32 [items, width]"""

    def _fit(self, data: ListeningData) -> None:
        """Nothing to learn."""

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.asarray(self.users[users] @ self.items[items].T)


def mean_item_vectors(interactions: sparse.csr_matrix, items: Floats) -> Floats:
    """The mean vector of each user's items, float32 [users, width], of length 1; zero for a user without any.

    `interactions`: [users, items], the weight of each item; `items`: float32 [items, width].
    """
    sums = np.asarray(interactions @ items, dtype=np.float32)
    means: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return means
