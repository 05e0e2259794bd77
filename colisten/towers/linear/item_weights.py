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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack

from colisten.arrays import Floats, Floats64, Int32s, Int64s
from colisten.compiled import compiled
from colisten.progress import Progress
from colisten.towers.half_precision import rounded
from colisten.towers.linear.candidates import Candidates
from colisten.towers.linear.coordinate_descent import non_negative_ridge

_PAIRS = 1 << 27
"""Co-counts that are held at once: 1 GB."""
_COLUMNS_AT_ONCE = 1 << 11
"""Items solved for between two steps of the progress bar."""
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


@dataclass(frozen=True)
class CoCounts:
    """How many users have both of two items; all of them are held where they fit memory."""

    interactions: csr_array
    """[users, items] float32, 1 where the user has the item."""
    whole: csr_array | None
    """[items, items]"""

    @classmethod
    def of(cls, interactions: csr_array) -> CoCounts:
        fits = _pairs(interactions) <= _PAIRS
        return cls(interactions, csr_array(interactions.T @ interactions) if fits else None)

    def blocks(self, given: Candidates) -> Iterator[tuple[slice, Int64s, csr_array]]:
        """Columns in pieces, the items that a piece needs the co-counts of, and the co-counts among those."""
        count = len(given.columns)
        if self.whole is not None:
            everything = np.arange(self.whole.shape[1])
            for first in range(0, count, _COLUMNS_AT_ONCE):
                yield slice(first, first + _COLUMNS_AT_ONCE), everything, self.whole
            return
        by_item, first, size = csc_array(self.interactions), 0, count
        while first < count:
            block = slice(first, first + size)
            members = np.union1d(given.near[block], given.columns[block])
            chosen = csr_array(by_item[:, members])
            if _pairs(chosen) > _PAIRS and size > 1:
                size //= 2
            else:
                yield block, members, csr_array(chosen.T @ chosen)
                first += size


def _pairs(interactions: csr_array) -> float:
    """At most so many co-counts are not zero."""
    filled = float(np.square(np.diff(interactions.indptr).astype(np.float64)).sum())
    return min(filled, float(interactions.shape[1]) ** 2)


def item_weights(counts: CoCounts, given: Candidates, ridges: Sequence[Ridge], progress: Progress) -> list[csc_array]:
    """For each of `ridges`, weights [items + 1, items]; only `given.columns` are filled, the last row has constants.

    Column j says what each item of the history adds to j's score.

    Args:
        counts: the co-counts of the items.
        given: the items to predict, and from what.
        ridges: what to solve for.
        progress: advanced by every item done.
    """
    users, items = counts.interactions.shape
    count, k = given.near.shape
    share = np.bincount(counts.interactions.indices, minlength=items) / max(users, 1)
    penalties, texts = (np.array([getattr(ridge, name) for ridge in ridges]) for name in ("penalty", "text"))
    weights = np.zeros((len(ridges), count, k), np.float32)
    with progress.task("item–item weights", count) as task:
        for block, members, co_counts in counts.blocks(given):
            columns, near = given.columns[block], given.near[block]
            place = np.full(items, -1)
            place[members] = np.arange(len(members))
            _solve(
                co_counts.indptr.astype(np.int64), co_counts.indices, co_counts.data, share[members], users,
                place[near], place[columns], given.likeness[block], given.factors[near], penalties, texts,
                weights[:, block],
            )  # fmt: skip
            task.advance(len(columns))
    return [_as_columns(items, given, found, share) for found in weights]


def _as_columns(items: int, given: Candidates, weights: Floats, share: Floats64) -> csc_array:
    constants = share[given.columns] - (weights * share[given.near]).sum(axis=1)
    constants = rounded(constants[:, None].astype(np.float32))
    rows = np.concatenate([given.near, np.full((len(given.columns), 1), items)], axis=1)
    values = np.concatenate([weights, constants], axis=1, dtype=np.float32)
    places = np.repeat(given.columns, rows.shape[1])
    whole = csc_array((values.ravel(), (rows.ravel(), places)), shape=(items + 1, items))
    whole.eliminate_zeros()
    return whole


@compiled
def _solve(
    indptr: Int64s, indices: Int32s, counts: Floats, share: Floats64, users: int, near: Int64s, own: Int64s,
    likeness: Floats, factor: Floats, penalties: Floats64, texts: Floats64, weights: Floats,
) -> None:  # fmt: skip
    """Many small problems of non-negative ridge regression, by coordinate descent; fills `weights` [ridges, n, k].

    `indptr` [m + 1], `indices` and `counts` are the co-counts of some items in CSR form, `share` [m] the share of users
    with each; `near` [n, k] and `own` [n] are places among them, `factor` [n, k] what the predictors count. Less
    `users` × share × share, co-counts are covariances: that leaves the constant out.
    """
    n, k = near.shape
    local = np.empty((k, k), np.float64)
    right, residual, found = np.empty(k, np.float64), np.empty(k, np.float64), np.empty(k, np.float64)
    place = np.full(len(share), -1)
    for item in range(n):
        j = own[item]
        for a in range(k):
            if near[item, a] != j:
                place[near[item, a]] = a
        for a in range(k):
            p = near[item, a]
            right[a] = -users * share[p] * share[j]
            for b in range(k):
                local[a, b] = -users * share[p] * share[near[item, b]]
            for entry in range(indptr[p], indptr[p + 1]):
                if indices[entry] == j:
                    right[a] += counts[entry]
                elif place[indices[entry]] >= 0:
                    local[a, place[indices[entry]]] += counts[entry]
            right[a] *= factor[item, a]
            for b in range(k):
                local[a, b] *= factor[item, a] * factor[item, b]
        for a in range(k):
            if near[item, a] == j:  # a place left over: it stays zero
                for b in range(k):
                    local[a, b] = local[b, a] = 0.0
            else:
                place[near[item, a]] = -1
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
