"""A hybrid: collaborative filtering, text and popularity, added."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.text_knn import TextKNN
from colisten.listening.data import ListeningData
from colisten.towers.selection.mixing import standardised


@dataclass
class Hybrid(Baseline):
    """The sum of three models' scores, each divided by its spread over the items asked about for that user."""

    text: Floats
    """float32 [items, width], the sentence embeddings of all items; all-zero: no text."""
    collaborative: Baseline = field(default_factory=EASE)
    """EASE, SLIM or item-kNN."""
    text_weight: float = 0.2
    """Of text-kNN, collaborative filtering being 1."""
    popularity_weight: float = 0.2
    """Of the logarithm of listeners."""

    def _fit(self, data: ListeningData) -> None:
        self.collaborative.fit(data)
        self._content, self._popular = TextKNN(self.text).fit(data), Popularity().fit(data)

    def parts(self, users: Int64s, items: Int64s) -> tuple[Floats, Floats, Floats]:
        """Standardised scores [users, items] of collaborative filtering, of text and of popularity."""
        popular = np.log1p(self._popular.scores(users, items))
        given = self.collaborative.scores(users, items), self._content.scores(users, items), popular
        behaviour, content, known = (standardised(np.asarray(scores, np.float32)) for scores in given)
        return behaviour, content, known

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return self.added(self.parts(users, items))

    def added(self, parts: tuple[Floats, Floats, Floats]) -> Floats:
        """The weighted sum of `parts`."""
        behaviour, content, known = parts
        total: Floats = behaviour + np.float32(self.text_weight) * content + np.float32(self.popularity_weight) * known
        return total
