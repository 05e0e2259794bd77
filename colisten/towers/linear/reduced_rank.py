"""Item–item weights as two narrow matrices, so that a dot product of vectors gives their scores.

Reduced-rank regression: of all weights of rank r, those that change the users' scores least, B V Vᵀ with V the first
right singular vectors of X B. A plain SVD of B, which does not know what users hear, needs twice the rank.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array, csr_array, diags_array

from colisten.arrays import Floats

_USERS = 20_000
_SIGNS = 128
_SPARE, _ROUNDS = 16, 3
"""Extra directions and rounds of subspace iteration (Halko, Martinsson and Tropp, 2011)."""


def some_users(heard: csr_array, rng: np.random.Generator) -> csr_array:
    """As many rows as are enough to know which directions scores take."""
    if heard.shape[0] <= _USERS:
        return heard
    return heard[np.sort(rng.choice(heard.shape[0], _USERS, replace=False))]


def score_sizes(heard: csr_array, weights: csc_array, rng: np.random.Generator) -> Floats:
    """[items] about the root of the sum of squared scores of all users.

    Scores are never written out, [users, items]: sums of them with random signs have this size on average.
    """
    signs = rng.choice(np.array([-1, 1], np.float32), (heard.shape[0], _SIGNS))
    sizes: Floats = np.sqrt(np.square(weights.T @ (heard.T @ signs)).mean(axis=1))
    return sizes


def reduced(
    heard: csr_array, weights: csc_array, importance: Floats, rank: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """`from_items` [n, rank] and `to_items` [items, rank]: weights ≈ from_items @ to_itemsᵀ, best directions first.

    Args:
        heard: [users, n] what scores are computed from.
        weights: [n, items].
        importance: [items] what an error on an item's score counts.
        rank: at most this.
        rng: where the first guess comes from.
    """
    weighted, items = csr_array(weights @ diags_array(importance)), weights.shape[1]
    rank = min(rank, items)
    basis = rng.normal(size=(items, min(rank + _SPARE, items))).astype(np.float32)
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(weighted.T @ (heard.T @ (heard @ (weighted @ basis))))
    scores = heard @ (weighted @ basis)
    _, turn = np.linalg.eigh(scores.T @ scores)
    best = (basis @ turn[:, ::-1][:, :rank]).astype(np.float32)
    return weighted @ best, best / importance[:, None]
