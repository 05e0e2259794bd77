"""SLIM: non-negative item–item weights, each item regressed on its nearest ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from colisten.arrays import Floats, Int32s, Int64s
from colisten.compiled import compiled
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.item_knn import neighbours
from colisten.listening.data import ListeningData
from colisten.towers.linear.coordinate_descent import non_negative_ridge

_BLOCK = 4_096
"""Candidates of a block of items, at most."""
_WHOLE = 12_000
"""Up to so many items the Gram matrix is computed once and whole."""
_SWEEPS = 200
_TOLERANCE = 1e-4
"""Coordinate descent ends when no weight moves by as much."""


@dataclass
class SLIM(Baseline):
    """wⱼ = argmin over w ≥ 0 of ½‖xⱼ − X w‖² + ½ `penalty` ‖w‖² + `sparsity` ‖w‖₁, over the `candidates` nearest of j
    (fsSLIM, Ning & Karypis 2011), all item types together; item j scores Σ over streamed i of wᵢⱼ.

    scikit-learn's `ElasticNet(positive=True)` minimises the same; a test compares them.
    """

    penalty: float = 50.0
    sparsity: float = 0.0
    candidates: int = 100
    weak: float = 0.0
    """What a weak signal counts, a stream being 1."""

    def _fit(self, data: ListeningData) -> None:
        self._matrix = self.interactions.with_weak(self.weak)
        self._weights = slim_weights(self._matrix, self.candidates, self.penalty, self.sparsity)

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.asarray((self._matrix[users] @ self._weights[:, items]).toarray())


def slim_weights(matrix: sparse.csr_matrix, candidates: int, penalty: float, sparsity: float) -> sparse.csc_matrix:
    """SLIM's weights, float32 [items, items]: column j predicts column j of `matrix` from its nearest by cosine.

    A block of items at a time; of a large catalogue, only the Gram matrix of its candidates is held beside the result.
    """
    nearest = neighbours(matrix, candidates, shrink=0.0)
    nearest.sort_indices()
    gram_of = _gram_function(matrix)
    size = max(1, _BLOCK // candidates)
    starts = range(0, nearest.shape[1], size)
    blocks = [_solve_block(gram_of, nearest[:, at : at + size], at, penalty, sparsity) for at in starts]
    return sparse.csc_matrix(sparse.hstack(blocks, format="csc", dtype=np.float32))


def _gram_function(matrix: sparse.csr_matrix) -> Callable[[Int64s], Floats]:
    """XᵀX between some columns of `matrix`, float32 [n, n]."""
    columns = matrix.tocsc()
    if matrix.shape[1] > _WHOLE:
        return lambda some: np.asarray((columns[:, some].T @ columns[:, some]).toarray())
    whole = (columns.T @ columns).toarray()
    return lambda some: np.asarray(whole[np.ix_(some, some)])


def _solve_block(
    gram_of: Callable[[Int64s], Floats], nearest: sparse.csc_matrix, start: int, penalty: float, sparsity: float
) -> sparse.csc_matrix:
    items = np.arange(start, start + nearest.shape[1])
    members, place = np.unique(np.r_[nearest.indices, items], return_inverse=True)
    near, own = np.split(place, [len(nearest.indices)])
    weights = np.zeros(len(near), np.float32)
    _solve(gram_of(members), nearest.indptr, near, own, penalty, sparsity, weights)
    return sparse.csc_matrix((weights, nearest.indices, nearest.indptr), shape=nearest.shape)


@compiled
def _solve(
    gram: Floats, indptr: Int32s, near: Int64s, own: Int64s, penalty: float, sparsity: float, weights: Floats
) -> None:
    """Fill `weights` [e]: item i's are those from `indptr[i]` on, of the places `near` [e] of `gram` [m, m]."""
    for item in range(len(own)):
        first, count = indptr[item], indptr[item + 1] - indptr[item]
        local, residual, found = np.empty((count, count)), np.empty(count), np.zeros(count)
        for a in range(count):
            residual[a] = gram[near[first + a], own[item]] - sparsity
            for b in range(count):
                local[a, b] = gram[near[first + a], near[first + b]]
        non_negative_ridge(local, residual, found, penalty, _TOLERANCE, _SWEEPS)
        for a in range(count):
            weights[first + a] = found[a]
