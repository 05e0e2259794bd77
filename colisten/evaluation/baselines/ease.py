"""EASE: item–item weights by ridge regression, exact for a catalogue whose Gram matrix fits memory, local beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.local import ridge, solve_locally
from colisten.listening.data import ListeningData


@dataclass
class EASE(Baseline):
    """B = I − P / diag(P), P = (XᵀX + λI)⁻¹ (Steck 2019), over all item types; item j scores Σ over streamed i of Bᵢⱼ.

    Up to `exact_up_to` items (4 n² bytes, thrice over); beyond, each item is regressed on its `candidates` nearest.
    """

    penalty: float = 400.0
    """λ."""
    weak: float = 0.0
    """What a weak signal counts, a stream being 1."""
    exact_up_to: int = 12_000
    candidates: int = 200

    def learn(self, data: ListeningData) -> None:
        self._matrix = self.history.with_weak(self.weak)
        if self._matrix.shape[1] <= self.exact_up_to:
            self._weights: Floats | sparse.csc_matrix = exact(self._matrix, self.penalty)
        else:
            self._weights = solve_locally(self._matrix, self.candidates, ridge(self.penalty))

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        found = self._matrix[users] @ self._weights[:, items]
        return found.toarray() if sparse.issparse(found) else np.asarray(found)


def exact(matrix: sparse.csr_matrix, penalty: float) -> Floats:
    """The weights B of EASE, float32 [items, items], zero on the diagonal; Bᵢⱼ predicts column j from column i."""
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    inverse /= -np.diag(inverse).copy()
    np.fill_diagonal(inverse, 0)
    return np.asarray(inverse, dtype=np.float32)
