"""Item–item weights by ridge regression (EASE, SLIM): how much an item in the history raises the score of another.

Each item is regressed on its candidates and a constant, with weights that are never negative and are drawn towards
what the texts say:

    min ‖x_j − b − X_N F w‖² + λ‖w − τ s‖²,  w ≥ 0,  s the likeness of texts

and F w is what is kept: F holds a factor for each predictor, 1 for the target's items and at most 1 for other types,
which so need more evidence for the same weight.

On all other items, with no constant and no text, it would be EASE (Steck, WWW 2019); on few of them it is SLIM (Ning
and Karypis, ICDM 2011) without its L1 term. Keeping to candidates costs k² an item and sweep, and ranks
better too. The constant is what an item gets from everybody: with a large λ nothing but popularity is left. The text
gives weights to an item without any listener yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack

from colisten.arrays import Floats, Floats64, Int32s, Int64s
from colisten.compiled import compiled, on_all_cores
from colisten.progress import Progress
from colisten.ragged import offsets
from colisten.towers.half_precision import rounded
from colisten.towers.linear.candidates import Candidates
from colisten.towers.linear.coordinate_descent import non_negative_ridge
from colisten.towers.linear.interactions import Interactions

_COLUMNS_AT_ONCE = 1 << 9
"""Items that a core solves for at a time."""
_SWEEPS = 50
_TOLERANCE = 1e-4
"""Coordinate descent ends when no weight moves by as much."""


@dataclass(frozen=True)
class Ridge:
    """Penalties of the regression, and what weights shrink towards."""

    penalty: float
    """λ, in listeners."""
    text: float
    """τ, the weight of an item whose text is the same."""


def with_everybody(interactions: csr_array) -> csr_array:
    """[users, items + 1]: a last item in every history, whose weights are the intercepts."""
    return csr_array(hstack([interactions, csr_array(np.ones((interactions.shape[0], 1), np.float32))]))


def item_weights(
    interactions: Interactions, given: Candidates, ridges: Sequence[Ridge], progress: Progress
) -> list[csc_array]:
    """For each of `ridges`, weights [items + 1, items]; only `given.columns` are filled, the last row has constants.

    Column j says what each item of the history adds to j's score.

    Args:
        interactions: who has which item.
        given: the items to predict, and from what.
        ridges: what to solve for.
        progress: advanced by every item done.
    """
    users, items = len(interactions.user_indptr) - 1, len(interactions.item_indptr) - 1
    count, k = given.near.shape
    penalties, texts = (np.array([getattr(ridge, name) for ridge in ridges]) for name in ("penalty", "text"))
    weights = np.zeros((len(ridges), count, k), np.float32)

    def solve(some: slice) -> None:
        near = given.near[some]
        _solve(
            interactions.item_indptr, interactions.users, users, near, given.columns[some], given.likeness[some],
            given.factors[near], penalties, texts, weights[:, some],
        )  # fmt: skip

    with progress.task("item–item weights", count) as task:
        for done in on_all_cores(solve, count, _COLUMNS_AT_ONCE):
            task.advance(done)
    share = interactions.listeners / max(users, 1)
    return [_as_columns(items, given, found, share) for found in weights]


def _as_columns(items: int, given: Candidates, weights: Floats, share: Floats64) -> csc_array:
    """[items + 1, items] of `weights` [n, k], and the constants that go with them."""
    count = len(given.columns)
    constants = rounded((share[given.columns] - np.einsum("nk,nk->n", weights, share[given.near]))[:, None])
    values = np.concatenate([weights, constants], axis=1, dtype=np.float32)
    rows = np.concatenate([given.near, np.full((count, 1), items, np.int32)], axis=1)
    kept = values != 0
    lengths = np.zeros(items, np.int64)
    lengths[given.columns] = kept.sum(axis=1)
    return csc_array((values[kept], rows[kept], offsets(lengths)), shape=(items + 1, items))


@compiled
def _solve(
    indptr: Int64s, listeners: Int32s, users: int, near: Int32s, own: Int64s, likeness: Floats, factor: Floats,
    penalties: Floats64, texts: Floats64, weights: Floats,
) -> None:  # fmt: skip
    """Many small problems of non-negative ridge regression, by coordinate descent; fills `weights` [ridges, n, k].

    `indptr` [items + 1] and `listeners` say in CSC form which of so many `users` have each item; `near` [n, k] are the
    candidates of the items `own` [n], `factor` [n, k] what they count. Co-counts are made for each item anew: whoever
    has a candidate is put together with the others that user has. That costs the candidates' listeners, and memory for
    no pair but theirs. Less `users` × share × share, co-counts are covariances: that leaves the constant out.
    """
    n, k = near.shape
    local = np.empty((k, k), np.float64)
    right, residual, found = np.empty(k, np.float64), np.empty(k, np.float64), np.empty(k, np.float64)
    had, first = np.zeros(users, np.int32), np.empty(users, np.int64)
    reached, held = np.empty(0, np.int32), np.empty(0, np.int32)
    for item in range(n):
        j = own[item]
        size = 0
        for a in range(k):
            size += indptr[near[item, a] + 1] - indptr[near[item, a]]
        if size > len(held):
            reached, held = np.empty(2 * size, np.int32), np.empty(2 * size, np.int32)
        people = 0
        for a in range(k):
            if near[item, a] != j:
                for entry in range(indptr[near[item, a]], indptr[near[item, a] + 1]):
                    user = listeners[entry]
                    if had[user] == 0:
                        reached[people] = user
                        people += 1
                    had[user] += 1
        size = 0
        for person in range(people):
            user = reached[person]
            first[user], size, had[user] = size, size + had[user], 0
        for a in range(k):  # so that each user's candidates rise
            if near[item, a] != j:
                for entry in range(indptr[near[item, a]], indptr[near[item, a] + 1]):
                    user = listeners[entry]
                    held[first[user] + had[user]] = a
                    had[user] += 1
        local[:], right[:] = 0.0, 0.0
        for entry in range(indptr[j], indptr[j + 1]):
            user = listeners[entry]
            if had[user]:
                for place in range(first[user], first[user] + had[user]):
                    right[held[place]] += 1
        for person in range(people):
            user = reached[person]
            for place in range(first[user], first[user] + had[user]):
                for other in range(first[user], place + 1):
                    local[held[place], held[other]] += 1
            had[user] = 0
        own_share = (indptr[j + 1] - indptr[j]) / users
        for a in range(k):
            if near[item, a] != j:  # else a place left over: it stays zero
                of_a = indptr[near[item, a] + 1] - indptr[near[item, a]]
                right[a] = factor[item, a] * (right[a] - of_a * own_share)
                for b in range(a + 1):
                    if near[item, b] != j:
                        of_b = indptr[near[item, b] + 1] - indptr[near[item, b]]
                        local[a, b] = factor[item, a] * factor[item, b] * (local[a, b] - of_a * (of_b / users))
                        local[b, a] = local[a, b]
        found[:] = 0.0
        for option in range(len(penalties)):  # each from where the one before ended
            penalty, text = penalties[option], texts[option]
            for a in range(k):
                residual[a] = 0.0 if near[item, a] == j else right[a] + penalty * text * likeness[item, a]
            for a in range(k):
                if found[a] != 0.0:
                    for b in range(k):
                        residual[b] -= local[a, b] * found[a]
            non_negative_ridge(local, residual, found, penalty, _TOLERANCE, _SWEEPS)
            for a in range(k):
                weights[option, item, a] = factor[item, a] * found[a]
