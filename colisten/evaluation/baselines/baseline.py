"""What every baseline is: fitted to listening data, it scores items for users, and recommends the best unheard ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import polars as pl

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.interaction_matrix import InteractionMatrix, read_interaction_matrix
from colisten.evaluation.baselines.top_k import places, top_k
from colisten.listening.data import ListeningData

_BYTES = 128 << 20


@dataclass
class Baseline(ABC):
    """A recommender that others are measured against."""

    history: InteractionMatrix = field(init=False, repr=False, compare=False)
    """Set by `fit`."""

    def fit(self, data: ListeningData) -> Self:
        """Learn from `data`."""
        self.history = read_interaction_matrix(data)
        self.learn(data)
        return self

    @abstractmethod
    def learn(self, data: ListeningData) -> None:
        """Learn what `scores` needs; `history` is there already."""

    @abstractmethod
    def scores(self, users: Int64s, items: Int64s) -> Floats:
        """Scores of `items` for `users` (rows of `history`), float32 [users, items]; higher is better."""

    def recommend(self, users: Sequence[str], k: int, item_type: str) -> pl.DataFrame:
        """The `k` best items of a type that each user has not streamed.

        Equal scores go to the more heard item. Somebody unknown has an empty history. Memory is bounded by scoring
        blocks of users.

        Returns:
            `user_id`, `item_id`, `item_type`, `score` float32, `rank` int64 from 1; users in the given order.

        Raises:
            DataError: no such item type.
        """
        items = self.history.items(item_type)
        rows = self.history.rows(users)
        block = max(1, _BYTES // (4 * max(1, len(items))))
        starts = range(0, max(1, len(rows)), block)
        parts = [self._block(rows[at : at + block], items, k) for at in starts]
        who, what, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        at = np.repeat(np.array(starts), [len(part[0]) for part in parts]) + who
        return pl.DataFrame(
            {
                "user_id": pl.Series(users, dtype=pl.String)[at],
                "item_id": self.history.item_ids[what],
                "item_type": pl.Series([item_type]).gather(np.zeros(len(at), dtype=np.int64)),
                "score": scores,
                "rank": places(at) + 1,
            }
        )

    def _block(self, users: Int64s, items: Int64s, k: int) -> tuple[Int64s, Int64s, Floats]:
        known = np.flatnonzero(users < self.history.streams.shape[0])
        scores = np.zeros((len(users), len(items)), dtype=np.float32)
        scores[known] = self.scores(users[known], items)
        heard, place = self.history.streams[users[known]][:, items].nonzero()
        scores[known[heard], place] = -np.inf
        who, best = top_k(scores, k)
        return who, items[best], scores[who, best]
