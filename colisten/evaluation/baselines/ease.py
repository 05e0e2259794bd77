"""EASE: item–item weights by ridge regression in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.listening.data import ListeningData

_COLUMNS = 2048


@dataclass
class EASE(Baseline):
    """B = I − P / diag(P), P = (XᵀX + λI)⁻¹ (Steck 2019), over all item types; item j scores Σ over streamed i of Bᵢⱼ.

    Exact as long as there are no more than `rows` items or no more than `rows` users, whichever are fewer: where the
    users are fewer, B is never written down. Of a larger catalogue only the `rows` most popular items take part, and
    the others score 0. Memory is 4 `rows`² bytes (1.6 GB); time grows with the cube.
    """

    penalty: float = 400.0
    """λ."""
    weak: float = 0.0
    """What a weak signal counts, a stream being 1."""
    rows: int = 20_000

    def _fit(self, data: ListeningData) -> None:
        matrix = self.interactions.with_weak(self.weak)
        users, items = matrix.shape
        kept = np.arange(items)
        if min(users, items) > self.rows:
            kept = np.sort(np.argsort(-self.interactions.listeners, kind="stable")[: self.rows])
        self._column = np.full(items, -1)
        self._column[kept] = np.arange(len(kept))
        solve = DualRidge if users < len(kept) else PrimalRidge
        self._solved: SolvedRidge = solve(matrix[:, kept].tocsr(), self.penalty)

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        scores = np.zeros((len(users), len(items)), dtype=np.float32)
        column = self._column[items]
        scores[:, column >= 0] = self._solved.scores(users, column[column >= 0])
        return scores


class SolvedRidge(Protocol):
    """The ridge regression of all items on each other, solved for a matrix of users × items."""

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        """x B for some rows x of the matrix and some columns of B."""
        ...


class PrimalRidge:
    """Solved in the primal, from the Gram matrix of the items: the weights themselves."""

    def __init__(self, matrix: sparse.csr_matrix, penalty: float) -> None:
        self._matrix, self._weights = matrix, ease_weights(matrix, penalty)

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.asarray(self._matrix[users] @ self._weights[:, items])


class DualRidge:
    """Solved in the dual, from the Gram matrix of the users: P = (I − XᵀKX) / λ, K = (XXᵀ + λI)⁻¹ (Woodbury).

    Of the users who streamed nothing, no one else's scores depend on: they are left out. X B = X − λKX / (λ diag(P)).
    """

    def __init__(self, matrix: sparse.csr_matrix, penalty: float) -> None:
        active = np.diff(matrix.indptr) > 0
        self._matrix, self._columns, self._penalty = matrix, matrix[active].tocsc(), penalty
        self._place = np.where(active, np.cumsum(active) - 1, -1)
        self._inverse = _inverse((self._columns @ self._columns.T).toarray(order="F"), penalty)
        starts = range(0, matrix.shape[1], _COLUMNS)
        self._unexplained = np.concatenate(
            [self._unexplained_of(self._columns[:, at : at + _COLUMNS]) for at in starts]
        )

    def _unexplained_of(self, columns: sparse.csc_matrix) -> Floats:
        """λ diag(P) of some items: 1 − xⱼᵀ K xⱼ."""
        return np.asarray(1 - columns.multiply(self._inverse @ columns).sum(axis=0)).ravel()

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        place = self._place[users]
        residual = self._penalty * (self._inverse[place] @ self._columns[:, items])
        residual[place < 0] = 0
        own = self._matrix[users][:, items].toarray()
        return np.asarray(own - residual / self._unexplained[items], np.float32)


def ease_weights(matrix: sparse.csr_matrix, penalty: float) -> Floats:
    """The weights B of EASE, float32 [items, items], zero on the diagonal; Bᵢⱼ predicts column j from column i."""
    weights = _inverse((matrix.T @ matrix).toarray(order="F"), penalty).astype(np.float32, copy=False)
    weights /= -np.diag(weights).copy()
    np.fill_diagonal(weights, 0)
    return weights


def _inverse(gram: Floats, penalty: float) -> Floats:
    """(gram + λI)⁻¹ of a symmetric matrix in column order, in its own place, by Cholesky."""
    gram[np.diag_indices_from(gram)] += penalty
    single = gram.dtype == np.float32
    factor, invert = (lapack.spotrf, lapack.spotri) if single else (lapack.dpotrf, lapack.dpotri)
    lower, failed = factor(gram, lower=1, overwrite_a=1)
    inverse, failed = invert(lower, lower=1, overwrite_c=1) if not failed else (lower, failed)
    assert not failed, "a Gram matrix with a penalty is positive definite"
    for at in range(0, len(inverse), _COLUMNS):
        inverse[at : at + _COLUMNS, at:] = np.tril(inverse[at:, at : at + _COLUMNS]).T
        block = inverse[at : at + _COLUMNS, at : at + _COLUMNS]
        block[:] = np.triu(block) + np.triu(block, 1).T
    return np.asarray(inverse)
