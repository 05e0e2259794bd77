"""How well vectors rank what was hidden, for choices made on validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.towers.batches import Pairs, pairs_of
from colisten.towers.holdout import HoldOut

CUT = 10


@dataclass(frozen=True)
class Task:
    """Rank `candidates` for each asked user, what they have heard left out."""

    candidates: Int64s
    """[c] items of the target type."""
    heard: Pairs
    truth: Pairs
    """Users are places among the asked, items places among the candidates."""
    users: int

    @classmethod
    def of(cls, held: HoldOut, candidates: Int64s, strong: int, items: int) -> Task:
        place = np.full(items, -1)
        place[candidates] = np.arange(len(candidates))
        heard = pairs_of(held.kept.take(held.users), strong)
        known = place[heard.items] >= 0
        return cls(
            candidates,
            Pairs(heard.users[known], place[heard.items[known]]),
            Pairs(held.truth.users, place[held.truth.items]),
            len(held.users),
        )

    def ndcg(self, scores: Floats) -> Floats:
        """NDCG@10 of each user; `scores` [users, candidates] are changed: what was heard falls to −inf."""
        scores[self.heard.users, self.heard.items] = -np.inf
        label = scores[self.truth.users, self.truth.items]
        cut = min(CUT, scores.shape[1])
        top = -np.partition(-scores, cut - 1, axis=1)[:, :cut]
        rank = (top[self.truth.users] > label[:, None]).sum(axis=1)
        gain = np.where(rank < CUT, 1 / np.log2(rank + 2), 0)
        found = np.bincount(self.truth.users, gain, minlength=self.users)
        labels = np.bincount(self.truth.users, minlength=self.users)
        ideal = np.cumsum(1 / np.log2(np.arange(CUT) + 2))
        return (found / ideal[np.clip(labels, 1, CUT) - 1]).astype(np.float32)
