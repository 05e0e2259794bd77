"""The interface of a baseline recommender: fitted to listening data, it scores items and recommends unseen ones."""

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

    interactions: InteractionMatrix = field(init=False, repr=False, compare=False)
    """Set by `fit`."""

    def fit(self, data: ListeningData) -> Self:
        """Learn from `data`."""
        self.interactions = read_interaction_matrix(data)
        self._fit(data)
        return self

    @abstractmethod
    def _fit(self, data: ListeningData) -> None:
        """Learn what `scores` needs; `interactions` is set already."""

    @abstractmethod
    def scores(self, users: Int64s, items: Int64s) -> Floats:
        """Scores of `items` for `users` (rows of `interactions`), float32 [users, items]; higher is better."""

    def recommend(self, users: Sequence[str], k: int, item_type: str) -> pl.DataFrame:
        """The `k` best items of a type that each user has not streamed.

        Of items with equal scores, the one with more listeners comes first. A user who is not in the data has no
        history. Memory is bounded by scoring users in blocks.

        Returns:
            `user_id`, `item_id`, `item_type`, `score` float32, `rank` int64 from 1; users in the given order.

        Raises:
            DataError: no such item type.
        """
        items = self.interactions.items(item_type)
        rows = self.interactions.rows(users)
        size = max(1, _BYTES // (4 * max(1, len(items))))
        starts = range(0, max(1, len(rows)), size)
        blocks = [self._recommend_block(rows[at : at + size], items, k) for at in starts]
        user, item, scores = (np.concatenate(column) for column in zip(*blocks, strict=True))
        user += np.repeat(np.array(starts), [len(block[0]) for block in blocks])
        return pl.DataFrame(
            {
                "user_id": pl.Series(users, dtype=pl.String)[user],
                "item_id": self.interactions.item_ids[item],
                "item_type": pl.Series([item_type]).gather(np.zeros(len(user), dtype=np.int64)),
                "score": scores,
                "rank": places(user) + 1,
            }
        )

    def _recommend_block(self, users: Int64s, items: Int64s, k: int) -> tuple[Int64s, Int64s, Floats]:
        """Places among `users`, items and scores of the recommendations, user by user."""
        known = np.flatnonzero(users < self.interactions.streams.shape[0])
        scores = np.zeros((len(users), len(items)), dtype=np.float32)
        scores[known] = self.scores(users[known], items)
        user, streamed = self.interactions.streams[users[known]][:, items].nonzero()
        scores[known[user], streamed] = -np.inf
        best_user, best = top_k(scores, k)
        return best_user, items[best], scores[best_user, best]
