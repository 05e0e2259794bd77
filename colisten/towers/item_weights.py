"""Item–item weights by ridge regression: how much hearing one item speaks for another.

Each item is regressed on the items heard most with it (by cosine), with weights that are never negative:
min ‖x_j − X_N w‖² + λ‖w‖², w ≥ 0. On all other items it would be EASE (Steck, WWW 2019); on few of them it is SLIM
(Ning and Karypis, ICDM 2011) without its L1 term. Keeping to the neighbours costs k³ an item, whatever the catalogue,
and ranks better too.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array, csr_array

from colisten.arrays import Bools, Floats, Int32s, Int64s
from colisten.progress import Progress

_CELLS = 1 << 24
"""Numbers in the largest dense block: 64 MB."""
_GRAM_ITEMS = 1 << 14
"""A catalogue up to this size has its co-counts computed once (1 GB); of a larger one, those that a block needs."""
_BLOCK_ITEMS = 1 << 12
_SWEEPS = 20


def nearest(heard: csr_array, count: int, among: Bools) -> Int32s:
    """[items, ≤ count] the items `among` [items] heard most with each, by cosine, itself left out; ascending."""
    items = heard.shape[1]
    count = min(count, max(int(among.sum()) - 1, 0))
    inverse = 1 / np.sqrt(np.maximum(_listeners(heard), 1e-9))
    found = np.empty((items, count), np.int32)
    size = max(1, _CELLS // max(items, 1))
    for first in range(0, items, size):
        block = np.arange(first, min(first + size, items))
        cosine = (heard[:, block].T @ heard).toarray() * inverse
        cosine[:, ~among] = -1
        cosine[np.arange(len(block)), block] = -1
        found[block] = np.sort(np.argpartition(-cosine, max(count - 1, 0), axis=1)[:, :count], axis=1)
    return found


def item_weights(heard: csr_array, near: Int32s, columns: Int64s, penalty: float, progress: Progress) -> csc_array:
    """Weights [items, items]: column j says what each heard item adds to j's score; only `columns` are filled.

    Args:
        heard: [users, items] float32, 1 where the user has the item.
        near: [items, k] the items each may be predicted from.
        penalty: λ, in listeners.
    """
    items, k = heard.shape[1], near.shape[1]
    weights = np.zeros((len(columns), k), np.float32)
    size = len(columns) if items <= _GRAM_ITEMS else max(1, _BLOCK_ITEMS // max(k, 1))
    with progress.task("item–item weights", len(columns)) as task:
        for first in range(0, len(columns), max(size, 1)):
            block = columns[first : first + size]
            weights[first : first + size] = _solve_block(heard, near[block], block, penalty)
            task.advance(len(block))
    places = np.repeat(columns, k)
    whole = csc_array((weights.ravel(), (near[columns].ravel(), places)), shape=(items, items))
    whole.eliminate_zeros()
    return whole


def _solve_block(heard: csr_array, near: Int32s, block: Int64s, penalty: float) -> Floats:
    members = np.union1d(near, block)
    some = heard[:, members]
    gram = (some.T @ some).toarray()
    places, own = np.searchsorted(members, near), np.searchsorted(members, block)
    weights = np.empty(near.shape, np.float32)
    size = max(1, _CELLS // max(near.shape[1] ** 2, 1))
    for first in range(0, len(block), size):
        some_near = places[first : first + size]
        local = gram[some_near[:, :, None], some_near[:, None, :]]
        with_own = gram[some_near, own[first : first + size, None]]
        weights[first : first + size] = _non_negative_ridge(local, with_own, penalty)
    return weights


def _non_negative_ridge(gram: Floats, right: Floats, penalty: float) -> Floats:
    """Coordinate descent on many small problems side by side: min wᵀ(G + λI)w − 2wᵀr, w ≥ 0.

    `gram` [problems, k, k] is changed; `right` is [problems, k].
    """
    k = gram.shape[1]
    diagonal = np.arange(k)
    gram[:, diagonal, diagonal] += np.float32(penalty)
    weights, rest = np.zeros_like(right), right.copy()
    for _ in range(_SWEEPS):
        for j in range(k):
            wanted = np.maximum(weights[:, j] + rest[:, j] / gram[:, j, j], 0)
            rest -= gram[:, j] * (wanted - weights[:, j])[:, None]
            weights[:, j] = wanted
    return weights


def _listeners(heard: csr_array) -> Floats:
    counts: Floats = np.asarray(heard.sum(axis=0), np.float32).ravel()
    return counts
