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
    """[items, count] the items `among` [items] heard most with each, by cosine; ascending.

    An item with fewer such neighbours has itself in the places left over.
    """
    items = heard.shape[1]
    by_item = csr_array(heard.T)
    inverse = 1 / np.sqrt(np.maximum(np.diff(by_item.indptr), 1)).astype(np.float32)
    found = np.repeat(np.arange(items, dtype=np.int32)[:, None], count, axis=1)
    size = max(1, _CELLS // max(items, 1))
    for first in range(0, items, size):
        together = (by_item[first : first + size] @ heard).tocoo()
        kept = among[together.col] & (together.col != together.row + first)
        row, column = together.row[kept].astype(np.int64), together.col[kept]
        cosine = together.data[kept] * inverse[row + first] * inverse[column]
        order = np.argsort(2.0 * row - cosine, kind="stable")
        row, column = row[order], column[order]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        near = place < count
        found[row[near] + first, place[near]] = column[near]
    return np.sort(found, axis=1)


def item_weights(heard: csr_array, near: Int32s, columns: Int64s, penalty: float, progress: Progress) -> csc_array:
    """Weights [items, items]: column j says what each heard item adds to j's score; only `columns` are filled.

    Args:
        heard: [users, items] float32, 1 where the user has the item.
        near: [items, k] the items each may be predicted from; itself is passed over.
        columns: items to predict.
        penalty: λ, in listeners.
        progress: told of every item done.
    """
    items, k = heard.shape[1], near.shape[1]
    by_item = csr_array(heard.T)
    weights = np.zeros((len(columns), k), np.float32)
    size = len(columns) if items <= _GRAM_ITEMS else max(1, _BLOCK_ITEMS // max(k, 1))
    with progress.task("item–item weights", len(columns)) as task:
        for first in range(0, len(columns), max(size, 1)):
            block = columns[first : first + size]
            weights[first : first + size] = _solve_block(by_item, near[block], block, penalty)
            task.advance(len(block))
    places = np.repeat(columns, k)
    whole = csc_array((weights.ravel(), (near[columns].ravel(), places)), shape=(items, items))
    whole.eliminate_zeros()
    return whole


def _solve_block(by_item: csr_array, near: Int32s, block: Int64s, penalty: float) -> Floats:
    members = np.union1d(near, block)
    some = by_item[members]
    gram = (some @ some.T).toarray()
    places, own = np.searchsorted(members, near), np.searchsorted(members, block)
    weights = np.empty(near.shape, np.float32)
    size = max(1, _CELLS // max(near.shape[1] ** 2, 1))
    for first in range(0, len(block), size):
        some_near, some_own = places[first : first + size], own[first : first + size, None]
        local = gram[some_near[:, :, None], some_near[:, None, :]]
        with_own = np.where(some_near == some_own, 0, gram[some_near, some_own])
        weights[first : first + size] = _non_negative_ridge(local, with_own, penalty)
    return weights


def _non_negative_ridge(gram: Floats, right: Floats, penalty: float) -> Floats:
    """Coordinate descent on many small problems side by side: min wᵀ(G + λI)w − 2wᵀr, w ≥ 0.

    `gram` [problems, k, k] is changed; `right` is [problems, k]. Both are counts: where `right` is 0, so is the weight.
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
