"""Top-k selection: the k best of each row, ties in the order of the columns."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from colisten.arrays import Floats, Int64s


def top_k(scores: Floats, k: int) -> tuple[Int64s, Int64s]:
    """Rows and columns of the `k` highest finite scores of each row, best first; equal scores in column order.

    >>> rows, columns = top_k(np.float32([[1, 3, 3, 2], [0, -np.inf, 0, 0]]), 2)
    >>> rows.tolist(), columns.tolist()
    ([0, 0, 1, 1], [1, 2, 0, 2])
    """
    k = min(k, scores.shape[1])
    if k == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    threshold = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    rows, columns = np.nonzero((scores >= threshold) & np.isfinite(scores))
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    kept = places(rows) < k
    return rows[kept], columns[kept]


def places(groups: Int64s) -> Int64s:
    """Place of each entry within its group, groups standing together.

    >>> places(np.array([4, 4, 7, 7, 7])).tolist()
    [0, 1, 0, 1, 2]
    """
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    sizes = np.diff(np.r_[starts, len(groups)])
    return np.arange(len(groups)) - np.repeat(starts, sizes)


def strongest(weights: sparse.csc_matrix, k: int) -> sparse.csc_matrix:
    """Keep the `k` largest entries of each column of a sparse matrix; equal ones in row order.

    >>> strongest(sparse.csc_matrix([[3.0, 1.0], [2.0, 0.0], [3.0, 4.0]]), 1).toarray().tolist()
    [[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]]
    """
    entries = weights.tocsc()
    entries.sort_indices()
    column = np.repeat(np.arange(weights.shape[1]), np.diff(entries.indptr))
    unit = 2 * np.abs(entries.data).max(initial=1e-30)
    order = np.argsort(column - entries.data / unit, kind="stable")  # within a column, strongest first
    kept = order[places(column[order]) < k]
    return sparse.csc_matrix((entries.data[kept], (entries.indices[kept], column[kept])), shape=weights.shape)
