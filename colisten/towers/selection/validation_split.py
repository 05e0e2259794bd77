"""The validation split, cut from the training data itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import UserItemPairs, pairs_of

TIME_SHARE = 0.1
"""Share of the target type's listening, the newest, that validation looks at where times are known."""
PAIR_SHARE = 0.2
COLD_SHARE = 0.1
"""Without times: share of each user's target pairs to hide, and of users from whom the whole target type is hidden."""
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
    of_target = is_target[histories.items]
    times = histories.timestamps[of_target & (histories.signals < strong)]
    known = times[times >= 0]
    if 2 * len(known) > len(times):
        train = histories.keep(histories.timestamps < np.quantile(known, 1 - TIME_SHARE))
    else:
        train = histories.keep(~_hidden(histories, of_target, strong, rng))
    return _asked(histories, train, is_target, strong)


def _hidden(histories: UserHistories, of_target: Bools, strong: int, rng: np.random.Generator) -> Bools:
    pairs = pairs_of(histories.keep(of_target), strong)
    elsewhere = np.zeros(len(histories), bool)
    elsewhere[histories.owners[~of_target]] = True
    cold = (rng.random(len(histories)) < COLD_SHARE) & elsewhere
    keys = pairs.keys[rng.random(len(pairs)) < PAIR_SHARE]
    return np.isin(histories.keys, keys) | (cold[histories.owners] & of_target)


def _asked(whole: UserHistories, train: UserHistories, is_target: Bools, strong: int) -> ValidationSplit:
    before, after = pairs_of(train, strong), pairs_of(whole, strong)
    new = ~np.isin(after.keys, before.keys)
    known = np.diff(train.indptr) > 0
    truth = after.where(new & is_target[after.items] & known[after.users])
    users = np.unique(truth.users)
    hidden = UserItemPairs(np.searchsorted(users, truth.users), truth.items)
    return ValidationSplit(train, users, hidden, train.touching(is_target)[users])
