"""A validation slice cut from the training data itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Int64s
from colisten.towers.listeners import Listeners
from colisten.towers.pairs import Pairs, pairs_of

TIME_SHARE = 0.1
"""Share of the target type's listening, the newest, that validation looks at where times are known."""
PAIR_SHARE = 0.2
COLD_SHARE = 0.1
"""Without times: share of each user's target pairs to hide, and of users from whom the whole target type is hidden."""
MOST_USERS = 2000


@dataclass(frozen=True)
class HoldOut:
    """What may be learned from, and what has to be found."""

    kept: Listeners
    """All users; nothing on a hidden pair, nothing after the cut."""
    users: Int64s
    """[v] those asked about."""
    truth: Pairs
    """Hidden pairs; `users` are places in the array above."""
    warm: Bools
    """[v] has some event of the target type left."""


def hold_out(listeners: Listeners, is_target: Bools, strong: int, rng: np.random.Generator) -> HoldOut:
    """Hide the newest target listening, or a share of it (and all of it for some users) where most times are missing.

    `is_target` is [items]. What has no time was before everything; pairs heard before the cut are no truth.
    """
    of_target = is_target[listeners.items]
    times = listeners.timestamps[of_target & (listeners.signals < strong)]
    known = times[times >= 0]
    if 2 * len(known) > len(times):
        kept = listeners.keep(listeners.timestamps < np.quantile(known, 1 - TIME_SHARE))
    else:
        kept = listeners.keep(~_hidden(listeners, of_target, strong, rng))
    return _asked(listeners, kept, is_target, strong, rng)


def _hidden(listeners: Listeners, of_target: Bools, strong: int, rng: np.random.Generator) -> Bools:
    pairs = pairs_of(listeners.keep(of_target), strong)
    elsewhere = np.zeros(len(listeners), bool)
    elsewhere[listeners.owners[~of_target]] = True
    cold = (rng.random(len(listeners)) < COLD_SHARE) & elsewhere
    keys = pairs.keys[rng.random(len(pairs)) < PAIR_SHARE]
    return np.isin(listeners.keys, keys) | (cold[listeners.owners] & of_target)


def _asked(whole: Listeners, kept: Listeners, is_target: Bools, strong: int, rng: np.random.Generator) -> HoldOut:
    before, after = pairs_of(kept, strong), pairs_of(whole, strong)
    new = ~np.isin(after.keys, before.keys)
    known = np.diff(kept.indptr) > 0
    truth = after.where(new & is_target[after.items] & known[after.users])
    users = np.unique(truth.users)
    if len(users) > MOST_USERS:
        users = np.sort(rng.choice(users, MOST_USERS, replace=False))
        truth = truth.where(np.isin(truth.users, users))
    hidden = Pairs(np.searchsorted(users, truth.users), truth.items)
    return HoldOut(kept, users, hidden, kept.touching(is_target)[users])
