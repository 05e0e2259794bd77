"""SLIM: non-negative item–item weights, each item regressed on its nearest ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.local import non_negative, solve_locally
from colisten.listening.data import ListeningData


@dataclass
class SLIM(Baseline):
    """wⱼ = argmin over w ≥ 0 of ½‖xⱼ − X w‖² + ½ `penalty` ‖w‖² + `sparsity` ‖w‖₁, over the `candidates` nearest of j
    (fsSLIM, Ning & Karypis 2011), all item types together; item j scores Σ over streamed i of wᵢⱼ.

    scikit-learn's `ElasticNet(positive=True)` minimises the same (a test compares them) one item at a time; here the
    items of a block are solved side by side.
    """

    penalty: float = 50.0
    sparsity: float = 0.0
    candidates: int = 100
    weak: float = 0.0
    """What a weak signal counts, a stream being 1."""
    sweeps: int = 30

    def learn(self, data: ListeningData) -> None:
        self._matrix = self.history.with_weak(self.weak)
        solver = non_negative(self.penalty, self.sparsity, self.sweeps)
        self._weights = solve_locally(self._matrix, self.candidates, solver)

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.asarray((self._matrix[users] @ self._weights[:, items]).toarray())
