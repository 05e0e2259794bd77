"""Reduced-rank approximation of the item–item weights, so that dot products of vectors give their scores.

Reduced-rank regression: of all weights of rank r, those that change the users' scores least, B V Vᵀ with V the first
right singular vectors of X B. A plain SVD of B, which does not know the histories, needs twice the rank.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array, csr_array, diags_array

from colisten.arrays import Floats

_USERS = 20_000
_SIGNS = 128
_SPARE, _ROUNDS = 16, 3
"""Extra directions and rounds of subspace iteration (Halko, Martinsson and Tropp, 2011)."""


def some_users(interactions: csr_array, rng: np.random.Generator) -> csr_array:
    """A sample of users, large enough to find the directions of largest variance."""
    if interactions.shape[0] <= _USERS:
        return interactions
    return interactions[np.sort(rng.choice(interactions.shape[0], _USERS, replace=False))]


def score_sizes(interactions: csr_array, weights: csc_array, rng: np.random.Generator) -> Floats:
    """[items] Euclidean norm of each item's scores over all users, estimated with random signs.

    Scores are never written out, [users, items]: sums of them with random signs have this size on average.
    """
    signs = rng.choice(np.array([-1, 1], np.float32), (interactions.shape[0], _SIGNS))
    sizes: Floats = np.sqrt(np.square(weights.T @ (interactions.T @ signs)).mean(axis=1))
    return sizes


def reduced(
    interactions: csr_array, weights: csc_array, importance: Floats, rank: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """`from_items` [n, rank] and `to_items` [items, rank]: weights ≈ from_items @ to_itemsᵀ, best directions first.

    Args:
        interactions: [users, n] what scores are computed from.
        weights: [n, items].
        importance: [items] what an error on an item's score counts.
        rank: at most this.
        rng: where the first guess comes from.
    """
    weighted, items = csr_array(weights @ diags_array(importance)), weights.shape[1]
    rank = min(rank, items)
    basis = rng.normal(size=(items, min(rank + _SPARE, items))).astype(np.float32)
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(weighted.T @ (interactions.T @ (interactions @ (weighted @ basis))))
    scores = interactions @ (weighted @ basis)
    _, turn = np.linalg.eigh(scores.T @ scores)
    best = (basis @ turn[:, ::-1][:, :rank]).astype(np.float32)
    return weighted @ best, best / importance[:, None]
