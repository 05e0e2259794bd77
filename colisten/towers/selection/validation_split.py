"""The validation split, cut from the training data itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Int64s
from colisten.listening.histories import UserHistories, joined
from colisten.listening.pairs import UserItemPairs, concatenated, pairs_of

TIME_SHARE = 0.1
"""Share of the target type's listening, the newest, that validation looks at where times are known."""
PAIR_SHARE = 0.2
COLD_SHARE = 0.1
"""Without times: share of each user's target pairs to hide, and of users from whom the whole target type is hidden."""
_TIMES_LOOKED_AT = 1 << 20
"""Events among which the newest are told by their times."""
MAX_USERS = 2000
"""Users that an option is judged on, where that is not cheap."""


@dataclass(frozen=True)
class ValidationSplit:
    """Interactions to learn from, and held-out ones to rank."""

    train: UserHistories
    """All users; nothing on a hidden pair, nothing after the cut."""
    users: Int64s
    """[v] those asked about."""
    truth: UserItemPairs
    """Hidden pairs; `users` are places in the array above."""
    warm: Bools
    """[v] has some event of the target type left."""

    def sample(self, count: int, rng: np.random.Generator) -> ValidationSplit:
        """At most `count` of the users asked about; the training part stays the same."""
        if len(self.users) <= count:
            return self
        kept = np.sort(rng.choice(len(self.users), count, replace=False))
        truth = self.truth.where(np.isin(self.truth.users, kept))
        hidden = UserItemPairs(np.searchsorted(kept, truth.users), truth.items)
        return ValidationSplit(self.train, self.users[kept], hidden, self.warm[kept])


def split_validation(
    histories: UserHistories, is_target: Bools, strong: int, rng: np.random.Generator
) -> ValidationSplit:
    """Hold out the newest streams of the target type, or a random share (all of some users) where times are missing.

    `is_target` is [items]. What has no time was before everything; pairs streamed before the cut are no truth.
    """
    times = np.concatenate([np.empty(0, np.int64), *_target_times(histories, is_target, strong)])
    known = times[times >= 0]
    cut = np.quantile(known, 1 - TIME_SHARE) if 2 * len(known) > len(times) else None
    kept = (
        some.keep(~_hidden(some, is_target, strong, rng) if cut is None else some.timestamps < cut)
        for _, some in histories.shards()
    )
    train = joined(kept, histories.features, histories.scratch)
    return _asked(histories, train, is_target, strong)


def _target_times(histories: UserHistories, is_target: Bools, strong: int) -> Iterator[Int64s]:
    """Times of streams of the target type, of a sample where there are many."""
    every = -(-len(histories.items) // _TIMES_LOOKED_AT)
    for _, some in histories.shards():
        yield some.timestamps[is_target[some.items] & (some.signals < strong)][::every]


def _hidden(histories: UserHistories, is_target: Bools, strong: int, rng: np.random.Generator) -> Bools:
    of_target = is_target[histories.items]
    pairs = pairs_of(histories.keep(of_target), strong)
    elsewhere = np.zeros(len(histories), bool)
    elsewhere[histories.owners[~of_target]] = True
    cold = (rng.random(len(histories)) < COLD_SHARE) & elsewhere
    keys = pairs.keys[rng.random(len(pairs)) < PAIR_SHARE]
    return np.isin(histories.keys, keys) | (cold[histories.owners] & of_target)


def _asked(whole: UserHistories, train: UserHistories, is_target: Bools, strong: int) -> ValidationSplit:
    hidden, is_warm = list[tuple[slice, UserItemPairs]](), np.zeros(len(whole), bool)
    for users, some in whole.shards():
        left = train.of(users)
        before, after = pairs_of(left, strong), pairs_of(some, strong)
        new = ~np.isin(after.keys, before.keys)
        known = np.diff(left.indptr) > 0
        hidden.append((users, after.where(new & is_target[after.items] & known[after.users])))
        is_warm[users] = left.touching(is_target)
    truth = concatenated(hidden)
    asked = np.unique(truth.users)
    truth = UserItemPairs(np.searchsorted(asked, truth.users), truth.items)
    return ValidationSplit(train, asked, truth, is_warm[asked])
