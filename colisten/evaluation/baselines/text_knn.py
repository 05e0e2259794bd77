"""Text-kNN: content-based neighbours by text embeddings; reaches items without a single listener."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.top_k import strongest
from colisten.listening.data import ListeningData

_COLUMNS = 256


@dataclass
class TextKNN(Baseline):
    """Score of item j: Σ over streamed i of cos(text i, text j), where i is among the k nearest of j, of all types.

    With k = 0 all streamed items count, which ranks by the cosine to their mean: the text-only model of the 2T-HGNN
    paper (LLM-KNN).
    """

    text: Floats
    """float32 [items, width], the sentence embeddings of all items; all-zero: no text."""
    k: int = 20

    def _fit(self, data: ListeningData) -> None:
        length = np.linalg.norm(self.text, axis=1, keepdims=True)
        self._unit = (self.text / np.where(length == 0, 1, length)).astype(np.float32)
        everything = np.arange(len(self._unit))
        self._nearest = nearest_texts(self._unit, everything, everything, self.k) if self.k else None

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        streams = self.interactions.streams[users]
        if self._nearest is None:
            return np.asarray((streams @ self._unit) @ self._unit[items].T)
        return np.asarray((streams @ self._nearest[:, items]).toarray())


def nearest_texts(unit: Floats, items: Int64s, among: Int64s, k: int) -> sparse.csc_matrix:
    """Cosines of `items` (columns) to the k nearest of `among` (rows), never to themselves; float32 [items, items].

    `unit`: float32 [items, width], of length 1 or 0. Computed for 256 columns at a time, so that only k entries of each
    are ever kept.
    """
    blocks = [_block(unit, items[at : at + _COLUMNS], among, k) for at in range(0, len(items), _COLUMNS)]
    row, column, cosine = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return strongest(sparse.csc_matrix((cosine, (row, column)), shape=(len(unit), len(unit))), k)


def _block(unit: Floats, items: Int64s, among: Int64s, k: int) -> tuple[Int64s, Int64s, Floats]:
    """Neighbour, item and cosine of the k nearest of each item, and of what ties with the last of them."""
    cosine = unit[items] @ unit[among].T
    cosine[items[:, None] == among] = 0
    last = max(len(among) - k, 0)
    row, column = np.nonzero((cosine >= np.partition(cosine, last, axis=1)[:, last, None]) & (cosine > 0))
    return among[column], items[row], cosine[row, column]
