"""Item-kNN: collaborative filtering by the cosine of items' listeners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.top_k import strongest
from colisten.listening.data import ListeningData

_COLUMNS = 1024


@dataclass
class ItemKNN(Baseline):
    """Score of item j: Σ over streamed i of cos(i, j), where i is among the k nearest of j (Deshpande & Karypis 2004).

    All item types count. `shrink` is added to the denominator of the cosine; `idf` weighs a user by
    1 / log(2 + items streamed), so that those who stream everything say less about similarity.
    """

    k: int = 20
    shrink: float = 0.0
    idf: bool = True

    def _fit(self, data: ListeningData) -> None:
        streams = self.interactions.streams
        if self.idf:
            activity = np.asarray(streams.sum(axis=1)).ravel()
            streams = (sparse.diags((1 / np.log(2 + activity)).astype(np.float32)) @ streams).tocsr()
        self._nearest = neighbours(streams, self.k, self.shrink)

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.asarray((self.interactions.streams[users] @ self._nearest[:, items]).toarray())


def neighbours(matrix: sparse.csr_matrix, k: int, shrink: float) -> sparse.csc_matrix:
    """Cosine of columns of [users, items], the k nearest of each column, never itself; float32 [items, items].

    Computed for 1024 columns at a time, so that only k entries of each are ever kept.
    """
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
    columns, rows = matrix.tocsc(), matrix.T.tocsr()
    blocks = [_block(rows, columns, lengths, start, k, shrink) for start in range(0, matrix.shape[1], _COLUMNS)]
    return sparse.csc_matrix(sparse.hstack(blocks, format="csc", dtype=np.float32))


def _block(
    rows: sparse.csr_matrix, columns: sparse.csc_matrix, lengths: Floats, start: int, k: int, shrink: float
) -> sparse.csc_matrix:
    shared = (rows @ columns[:, start : start + _COLUMNS]).tocoo()
    other = shared.row != shared.col + start
    i, j = shared.row[other], shared.col[other]
    cosine = shared.data[other] / (lengths[i] * lengths[j + start] + shrink)
    return strongest(sparse.csc_matrix((cosine, (i, j)), shape=shared.shape), k)
