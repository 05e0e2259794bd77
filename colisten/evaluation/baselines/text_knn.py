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
        starts = range(0, len(self._unit), _COLUMNS) if self.k else ()
        blocks = [_block(self._unit, start, self.k) for start in starts]
        self._nearest = sparse.csc_matrix(sparse.hstack(blocks, format="csc")) if blocks else None

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        streams = self.interactions.streams[users]
        if self._nearest is None:
            return np.asarray((streams @ self._unit) @ self._unit[items].T)
        return np.asarray((streams @ self._nearest[:, items]).toarray())


def _block(unit: Floats, start: int, k: int) -> sparse.csc_matrix:
    """The k nearest of each of 256 items from `start` on, never the item itself; float32 [items, 256]."""
    cosine = unit @ unit[start : start + _COLUMNS].T
    own = np.arange(cosine.shape[1])
    cosine[own + start, own] = 0
    floor = -np.partition(-cosine, min(k, len(cosine)) - 1, axis=0)[min(k, len(cosine)) - 1]
    return strongest(sparse.csc_matrix(np.where((cosine >= floor) & (cosine > 0), cosine, 0)), k)
