"""Validation as a ranking task: NDCG of the held-out items among all candidates, with paired comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.compiled import CORES
from colisten.listening.pairs import ANY, UserItemPairs, pairs_of
from colisten.prefetch import prefetch_map
from colisten.towers.features.negative_signals import left_out
from colisten.towers.selection.validation_split import ValidationSplit

MIN_USERS = 100
"""Fewer warm or cold users on validation than this are not asked apart from the others."""
COVERAGE_BONUS = 0.2
"""The worth of showing every item to at least one user, as a share of the hits. Hidden pairs are what people found by
themselves, mostly popular items: of what a wider choice is good for, validation sees but a part."""
TYPICAL_GAIN = 0.01
"""What a change of a hyper-parameter gains or loses, as a share of NDCG."""
_CUTS = (10, 100)
_CELLS = 1 << 23
"""Scores held at once on all cores; a piece of the task has a core's share of them."""


Scorer = Callable[[slice], Floats]
"""Scores [some users, candidates] of a slice of the asked users."""


def within_one_standard_error(ndcg: Floats) -> Bools:
    """Which of the options [options, users] are within one paired standard error of the best."""
    behind = ndcg[ndcg.mean(axis=1).argmax()] - ndcg
    error = behind.std(axis=1) / np.sqrt(max(ndcg.shape[1], 1))
    return np.asarray(behind.mean(axis=1) <= error)


def expected_gain(ndcg: Floats, than: Floats) -> float:
    """The gain in mean NDCG [users] to expect of an option over another from what validation saw.

    The posterior mean under a normal prior around no gain, whose standard deviation is `TYPICAL_GAIN` of the NDCG: the
    noisier the comparison, the less of it is believed. What matters is what an option is worth, not how certain that
    is: among options that cost nothing, a gain that is probable is better taken than left.
    """
    ahead = (ndcg - than).astype(np.float64)
    level = max(float(than.mean()), float(ndcg.mean()))
    typical, noise = (TYPICAL_GAIN * level) ** 2, float(ahead.var()) / max(len(ahead), 1)
    return float(ahead.mean()) * typical / max(typical + noise, 1e-12)


def surely_behind(ndcg: Floats, than: Floats) -> bool:
    """Is an option [users] more than two paired standard errors behind another?"""
    behind = (than - ndcg).astype(np.float64)
    return bool(behind.mean() > 2 * behind.std() / np.sqrt(max(len(behind), 1)))


@dataclass(frozen=True)
class OptionResult:
    """Validation result of one option."""

    ndcg: Floats
    """[users]"""
    shown: Bools
    """[2 cuts, 2, candidates] among the first 10, or 100, of some cold (0) or some warm (1) user"""


@dataclass(frozen=True)
class RankingTask:
    """Rank `candidates` for each asked user, leaving out what may not be recommended."""

    candidates: Int64s
    """[c] items of the target type."""
    left_out: UserItemPairs
    """Users are places among the asked, items places among the candidates; so in `truth`."""
    truth: UserItemPairs
    warm: Bools
    """[users]"""

    def __len__(self) -> int:
        return len(self.warm)

    @classmethod
    def of(
        cls, split: ValidationSplit, is_target: Bools, strong: int, negative_signals: tuple[int, ...]
    ) -> RankingTask:
        candidates = np.flatnonzero(is_target)
        place = np.full(len(is_target), -1)
        place[candidates] = np.arange(len(candidates))
        asked = split.train.take(split.users)
        gone = pairs_of(asked.keep(left_out(asked.signals, strong, negative_signals)), ANY)
        gone = gone.where(is_target[gone.items])
        truth = UserItemPairs(split.truth.users, place[split.truth.items])
        return cls(candidates, UserItemPairs(gone.users, place[gone.items]), truth, split.warm)

    def pieces(self) -> Iterator[tuple[slice, RankingTask]]:
        """The task for some users at a time, as many as scores of all candidates fit memory."""
        size = max(1, _CELLS // CORES // max(len(self.candidates), 1))
        for first in range(0, len(self), size):
            users = slice(first, min(first + size, len(self)))
            yield (
                users,
                RankingTask(
                    self.candidates, self._cut(self.left_out, users), self._cut(self.truth, users), self.warm[users]
                ),
            )

    @staticmethod
    def _cut(pairs: UserItemPairs, users: slice) -> UserItemPairs:
        mine = pairs.where((pairs.users >= users.start) & (pairs.users < users.stop))
        return UserItemPairs(mine.users - users.start, mine.items)

    def judge(self, options: Callable[[slice], Iterable[Floats]]) -> list[OptionResult]:
        """Compare scorers: `options` gives, for some of the asked users, [users, candidates] of each option.

        It is called on all cores at once.
        """

        def judged(piece: tuple[slice, RankingTask]) -> tuple[slice, list[OptionResult]]:
            some, task = piece
            return some, [task._result(scores) for scores in options(some)]

        found: list[OptionResult] = []
        for some, results in prefetch_map(judged, self.pieces(), threads=CORES, depth=CORES):
            for option, result in enumerate(results):
                if option == len(found):
                    found.append(OptionResult(np.zeros(len(self), np.float32), np.zeros_like(result.shown)))
                found[option].ndcg[some] = result.ndcg
                found[option].shown[result.shown] = True
        return found

    def _result(self, scores: Floats) -> OptionResult:
        ndcg, top = self.ranked(scores)
        shown = np.zeros((len(_CUTS), 2, len(self.candidates)), bool)
        for cut, depth in enumerate(_CUTS):
            for segment in (False, True):
                shown[cut, int(segment), top[self.warm == segment, :depth]] = True
        return OptionResult(ndcg, shown)

    def best(self, results: Sequence[OptionResult], warm: bool) -> int:
        """Which option serves warm (or cold) users best: hits first, and with equal ones the wider choice.

        Where too few users are in the segment, all are asked.
        """
        segment = self.warm == warm
        if segment.sum() < MIN_USERS:
            segment = np.ones_like(segment)
        worth = [
            float(verdict.ndcg[segment].mean()) * (1 + COVERAGE_BONUS * float(verdict.shown[:, int(warm)].mean()))
            for verdict in results
        ]
        return int(np.argmax(worth))

    def ndcg(self, score: Scorer) -> Floats:
        """[users] of one scorer."""
        return self.judge(lambda users: [score(users)])[0].ndcg

    def ranked(self, scores: Floats) -> tuple[Floats, Int64s]:
        """The mean of NDCG@10 and NDCG@100 of each user, and the candidates in front, best first.

        The deeper cut sees more hits, so that its noise is less. `scores` [users, candidates] are changed: what is left
        out falls to −inf. Of equal scores the label comes last, so that a part that cannot tell items apart gains
        nothing.
        """
        scores[self.left_out.users, self.left_out.items] = -np.inf
        depth = min(max(_CUTS) + 1, scores.shape[1])
        top = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        front = np.take_along_axis(scores, top, axis=1)
        label, above = scores[self.truth.users, self.truth.items], front[self.truth.users]
        listed = (above >= label[:, None]).sum(axis=1) - 1
        rank = np.where(label < above.min(axis=1), depth, listed)
        labels = np.bincount(self.truth.users, minlength=len(self))
        found = [self._ndcg_at(rank, labels, cut) for cut in _CUTS]
        ndcg: Floats = np.mean(found, axis=0, dtype=np.float32)
        return ndcg, np.take_along_axis(top, np.argsort(-front, axis=1), axis=1)

    def _ndcg_at(self, rank: Int64s, labels: Int64s, cut: int) -> Floats:
        gain = np.where(rank < cut, 1 / np.log2(rank + 2), 0)
        ideal = np.cumsum(1 / np.log2(np.arange(cut) + 2))
        total = np.bincount(self.truth.users, gain, minlength=len(self))
        return (total / ideal[np.clip(labels, 1, cut) - 1]).astype(np.float32)
