"""Text-kNN: items whose text is like that of what the user streamed; reaches items nobody has heard."""

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

    def learn(self, data: ListeningData) -> None:
        length = np.linalg.norm(self.text, axis=1, keepdims=True)
        self._unit = (self.text / np.where(length == 0, 1, length)).astype(np.float32)
        starts = range(0, len(self._unit), _COLUMNS) if self.k else ()
        blocks = [_nearest(self._unit, start, self.k) for start in starts]
        self._near = sparse.csc_matrix(sparse.hstack(blocks, format="csc")) if blocks else None

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        heard = self.history.streams[users]
        if self._near is None:
            return np.asarray((heard @ self._unit) @ self._unit[items].T)
        return np.asarray((heard @ self._near[:, items]).toarray())


def _nearest(unit: Floats, start: int, k: int) -> sparse.csc_matrix:
    """The k most alike of 256 items from `start` on, never themselves; float32 [items, 256]."""
    alike = unit @ unit[start : start + _COLUMNS].T
    own = np.arange(alike.shape[1])
    alike[own + start, own] = 0
    floor = -np.partition(-alike, min(k, len(alike)) - 1, axis=0)[min(k, len(alike)) - 1]
    return strongest(sparse.csc_matrix(np.where((alike >= floor) & (alike > 0), alike, 0)), k)
