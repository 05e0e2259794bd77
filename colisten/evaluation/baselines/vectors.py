"""Ready vectors as a recommender: a score is a dot product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.listening.data import ListeningData


@dataclass
class ByVectors(Baseline):
    """Score of item j for user u: `users`[u] · `items`[j]."""

    users: Floats
    """float32 [users, width]"""
    items: Floats
    """float32 [items, width]"""

    def learn(self, data: ListeningData) -> None:
        """The vectors know all."""

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.asarray(self.users[users] @ self.items[items].T)


def mean_of_heard(heard: sparse.csr_matrix, items: Floats) -> Floats:
    """The mean of the vectors of what each user heard, float32 [users, width], of length 1; zero without a history."""
    sums = np.asarray(heard @ items, dtype=np.float32)
    means: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return means
