"""Implicit ALS: matrix factorisation of implicit feedback, by the `implicit` library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.listening.data import ListeningData


@dataclass
class ALS(Baseline):
    """Weighted matrix factorisation (Hu, Koren & Volinsky 2008), all item types together; score: u · v."""

    factors: int = 128
    penalty: float = 0.1
    alpha: float = 10.0
    """Confidence of a stream over a missing one."""
    iterations: int = 15
    seed: int = 7

    def _fit(self, data: ListeningData) -> None:
        from implicit.cpu.als import AlternatingLeastSquares  # both of the optional part colisten[baselines]
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):  # the library runs its own threads
            model = AlternatingLeastSquares(
                self.factors, self.penalty, alpha=self.alpha, iterations=self.iterations, random_state=self.seed
            )
            model.fit(self.interactions.streams, show_progress=False)
        self._users: Floats = model.user_factors
        self._items: Floats = model.item_factors

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.asarray(self._users[users] @ self._items[items].T)
