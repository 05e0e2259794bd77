"""Item matrices as SciPy's sparse rows, for training; serving reads them by NumPy alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from colisten.arrays import Floats, Int64s
from colisten.towers.item_matrix import ItemMatrix


def from_rows(rows: csr_array) -> ItemMatrix:
    """The item matrix of these rows [items, items]; their columns are put in order, in place."""
    rows.sort_indices()
    return ItemMatrix(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data.astype(np.float32))


def as_rows(matrix: ItemMatrix) -> csr_array:
    """The rows [items, items] of an item matrix."""
    return csr_array((matrix.weights, matrix.items, matrix.indptr), shape=(len(matrix), len(matrix)))


def row_scorer(histories: csr_array, matrix: ItemMatrix, candidates: Int64s) -> Callable[[slice], Floats]:
    """Scores of the candidates by the sum of the matrix's rows over the items of each history [users, items]."""
    rows = as_rows(matrix)[:, candidates]
    return lambda users: (histories[users] @ rows).toarray()
