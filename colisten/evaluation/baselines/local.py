"""Regressions of each item on its nearest items alone: a small dense problem per item, many at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.item_knn import neighbours
from colisten.evaluation.baselines.top_k import places

Solver = Callable[[Floats, Floats], Floats]
"""(Gram matrices [b, c, c], right-hand sides [b, c]) → weights [b, c]; unused places are all zero in both."""

_TOGETHER = 4_096
"""Candidates of a block of items, at most."""
_WHOLE = 12_000
"""Up to so many items the Gram matrix is computed once and whole."""


def ridge(penalty: float) -> Solver:
    """w = (G + λI)⁻¹ r."""

    def solve(grams: Floats, rights: Floats) -> Floats:
        eye = np.eye(grams.shape[1], dtype=np.float32) * penalty
        return np.linalg.solve(grams + eye, rights[..., None])[..., 0]

    return solve


def non_negative(penalty: float, sparsity: float, sweeps: int) -> Solver:
    """argmin over w ≥ 0 of ½ wᵀ(G + λI)w − rᵀw + μ Σw, by cyclic coordinate descent on all problems side by side."""

    def solve(grams: Floats, rights: Floats) -> Floats:
        curvature = np.einsum("bii->bi", grams) + penalty
        weights = np.zeros_like(rights)
        slope = rights - sparsity
        for i in np.tile(np.arange(rights.shape[1]), sweeps):
            old = weights[:, i].copy()
            weights[:, i] = np.maximum(old + slope[:, i] / curvature[:, i], 0)
            step = weights[:, i] - old
            slope -= grams[:, i] * step[:, None]
            slope[:, i] -= penalty * step
        return weights

    return solve


def solve_locally(matrix: sparse.csr_matrix, candidates: int, solver: Solver) -> sparse.csc_matrix:
    """Weights [items, items] whose column j predicts column j of `matrix` from its `candidates` nearest by cosine.

    A block of items at a time; of a large catalogue, only the Gram matrix of its candidates is held beside the result.
    """
    near = neighbours(matrix, candidates, shrink=0.0)
    near.sort_indices()
    gram = _gram_of(matrix)
    block = max(1, _TOGETHER // candidates)
    blocks = [_solve(gram, near[:, at : at + block], at, solver) for at in range(0, near.shape[1], block)]
    return sparse.csc_matrix(sparse.hstack(blocks, format="csc", dtype=np.float32))


def _gram_of(matrix: sparse.csr_matrix) -> Callable[[Int64s], Floats]:
    """XᵀX between some columns of `matrix`, float32 [n, n]."""
    columns = matrix.tocsc()
    if matrix.shape[1] > _WHOLE:
        return lambda some: np.asarray((columns[:, some].T @ columns[:, some]).toarray())
    whole = (columns.T @ columns).toarray()
    return lambda some: np.asarray(whole[np.ix_(some, some)])


def _solve(
    gram_of: Callable[[Int64s], Floats], near: sparse.csc_matrix, start: int, solver: Solver
) -> sparse.csc_matrix:
    width = int(np.diff(near.indptr).max(initial=0))
    own = np.arange(near.shape[1])
    union, local = np.unique(np.r_[near.indices, own + start], return_inverse=True)
    gram = np.pad(gram_of(union), (0, 1))
    place = np.full((len(own), width), len(union))
    column = np.repeat(own, np.diff(near.indptr))
    row = places(column)
    place[column, row] = local[: len(near.indices)]
    grams = gram[place[:, :, None], place[:, None, :]]
    rights = gram[place, local[len(near.indices) :, None]]
    weights = solver(grams, rights)[column, row]
    return sparse.csc_matrix((weights, near.indices, near.indptr), shape=near.shape)
