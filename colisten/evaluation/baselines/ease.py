"""EASE: item–item weights by ridge regression, solved in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.listening.data import ListeningData


@dataclass
class EASE(Baseline):
    """B = I − P / diag(P), P = (XᵀX + λI)⁻¹ (Steck 2019), over all item types; item j scores Σ over streamed i of Bᵢⱼ.

    Of a catalogue of more than `items` items only the most heard ones take part: memory is thrice 4 `items`² bytes,
    time grows with its cube. The others score 0, and SLIM is the peer that weighs every item of a large catalogue.
    """

    penalty: float = 400.0
    """λ."""
    weak: float = 0.0
    """What a weak signal counts, a stream being 1."""
    items: int = 10_000

    def learn(self, data: ListeningData) -> None:
        matrix = self.history.with_weak(self.weak)
        kept = np.sort(np.argsort(-self.history.listeners, kind="stable")[: self.items])
        self._matrix = matrix[:, kept].tocsr()
        self._weights = exact(self._matrix, self.penalty)
        self._place = np.full(matrix.shape[1], -1)
        self._place[kept] = np.arange(len(kept))

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        scores = np.zeros((len(users), len(items)), dtype=np.float32)
        place = self._place[items]
        scores[:, place >= 0] = self._matrix[users] @ self._weights[:, place[place >= 0]]
        return scores


def exact(matrix: sparse.csr_matrix, penalty: float) -> Floats:
    """The weights B of EASE, float32 [items, items], zero on the diagonal; Bᵢⱼ predicts column j from column i."""
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    inverse /= -np.diag(inverse).copy()
    np.fill_diagonal(inverse, 0)
    return np.asarray(inverse, dtype=np.float32)
