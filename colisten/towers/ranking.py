"""How well scores rank what was hidden, for choices made on validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.towers.batches import ANY, Pairs, pairs_of
from colisten.towers.holdout import HoldOut

LEAST_USERS = 100
"""Fewer warm or cold users on validation than this are not asked apart from the others."""
_CUTS = (10, 100)
_CELLS = 1 << 23
"""Scores held at once."""


def not_worse(gains: Floats) -> Bools:
    """Which of the options [options, users] are within one paired standard error of the best."""
    behind = gains[gains.mean(axis=1).argmax()] - gains
    error = behind.std(axis=1) / np.sqrt(max(gains.shape[1], 1))
    return np.asarray(behind.mean(axis=1) <= error)


@dataclass(frozen=True)
class Task:
    """Rank `candidates` for each asked user, leaving out what may not be recommended."""

    candidates: Int64s
    """[c] items of the target type."""
    left_out: Pairs
    """Users are places among the asked, items places among the candidates; so in `truth`."""
    truth: Pairs
    warm: Bools
    """[users]"""

    def __len__(self) -> int:
        return len(self.warm)

    @classmethod
    def of(cls, held: HoldOut, is_target: Bools, strong: int, ruled_out: tuple[int, ...]) -> Task:
        candidates = np.flatnonzero(is_target)
        place = np.full(len(is_target), -1)
        place[candidates] = np.arange(len(candidates))
        asked = held.kept.take(held.users)
        gone = asked.keep((asked.signals < strong) | np.isin(asked.signals, ruled_out))
        gone_pairs = pairs_of(gone, ANY)
        known = place[gone_pairs.items] >= 0
        left_out = Pairs(gone_pairs.users[known], place[gone_pairs.items[known]])
        return cls(candidates, left_out, Pairs(held.truth.users, place[held.truth.items]), held.warm)

    def pieces(self) -> Iterator[tuple[slice, Task]]:
        """The task for some users at a time, as many as scores of all candidates fit memory."""
        size = max(1, _CELLS // max(len(self.candidates), 1))
        for first in range(0, len(self), size):
            users = slice(first, min(first + size, len(self)))
            yield (
                users,
                Task(self.candidates, self._cut(self.left_out, users), self._cut(self.truth, users), self.warm[users]),
            )

    @staticmethod
    def _cut(pairs: Pairs, users: slice) -> Pairs:
        mine = pairs.where((pairs.users >= users.start) & (pairs.users < users.stop))
        return Pairs(mine.users - users.start, mine.items)

    def ndcg(self, scores: Floats) -> Floats:
        """The mean of NDCG@10 and NDCG@100 of each user: the deeper one sees more hits, so that its noise is less.

        `scores` [users, candidates] are changed: what is left out falls to −inf. Of equal scores the label comes last,
        so that a part that cannot tell items apart gains nothing.
        """
        scores[self.left_out.users, self.left_out.items] = -np.inf
        label = scores[self.truth.users, self.truth.items]
        depth = min(max(_CUTS) + 1, scores.shape[1])
        top = -np.partition(-scores, depth - 1, axis=1)[:, :depth]
        above = top[self.truth.users]
        rank = np.where(label < above.min(axis=1), depth, (above >= label[:, None]).sum(axis=1) - 1)
        labels = np.bincount(self.truth.users, minlength=len(self))
        found = [self._ndcg_at(rank, labels, cut) for cut in _CUTS]
        mean: Floats = np.mean(found, axis=0, dtype=np.float32)
        return mean

    def _ndcg_at(self, rank: Int64s, labels: Int64s, cut: int) -> Floats:
        gain = np.where(rank < cut, 1 / np.log2(rank + 2), 0)
        ideal = np.cumsum(1 / np.log2(np.arange(cut) + 2))
        total = np.bincount(self.truth.users, gain, minlength=len(self))
        return (total / ideal[np.clip(labels, 1, cut) - 1]).astype(np.float32)
