"""Off-policy estimates of a policy's value from exposures with logged propensities: IPS, SNIPS, doubly robust.

The value of a policy is the expected reward of an answer, the sum of its slots' rewards. The policy puts one item into
each slot. Assumed is that the reward of an item in a slot depends on nothing else that the answer shows (the
item–position model). With w = 1[shown = put there] / propensity for each of the slots of n logged answers:

    IPS     Σ w r / n                      unbiased where every slot had a chance to show what the policy puts there
    SNIPS   Σ w r / Σ w · slots / n        consistent; less variance
    DR      Σ (q(put there) + w (r − q(shown))) / n      unbiased as IPS; the less variance the better the model q is

q is fitted on the other users (cross-fitting), else it would know what it corrects. Estimates are ratios of sums over
users; their standard errors are of the sums linearised, users being independent of each other, their answers not.

J. Li et al., Offline Evaluation of Ranking Policies with Click Models, KDD 2018; A. Swaminathan & T. Joachims, The
Self-Normalized Estimator, NIPS 2015; M. Dudík et al., Doubly Robust Policy Evaluation, ICML 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from colisten.arrays import Bools, Floats64, Int64s

Estimator = Literal["logged", "ips", "snips", "dr"]
FOLDS = 5
_LEVEL = 0.95
_PRIOR = 1.0
"""Rewards, expected by rank alone, with which an item begins at its rank's mean."""


@dataclass(frozen=True)
class LoggedSlots:
    """The `s` slots of `n` answers to `u` users."""

    users: Int64s
    """[n] user of each answer, 0 … u - 1, each at least once."""
    answers: Int64s
    """[s] answer of each slot."""
    ranks: Int64s
    """[s] from 1."""
    shown: Int64s
    """[s] item that was shown, from 0."""
    put: Int64s
    """[s] item that the policy puts there, from 0; -1: none."""
    propensities: Floats64
    """[s] probability with which the item shown was shown there."""
    rewards: Floats64
    """[s] of the item shown."""

    @property
    def weights(self) -> Floats64:
        """[s] importance weights: mean 1 where every slot had a chance to show what the policy puts there."""
        return np.where(self.shown == self.put, 1 / self.propensities, 0.0)


@dataclass(frozen=True)
class PolicyValue:
    """The expected reward of an answer, as one estimator has it; `logged` is that of the answers as they were."""

    estimator: Estimator
    value: float
    low: float
    high: float
    """95 % interval, clustered by user."""
    users: int
    answers: int
    effective: float
    """Effective sample size in slots, (Σ w)² / Σ w²: below some 250, intervals are too narrow."""
    support: float
    """Mean importance weight: well below 1, the log had no chance to show much of what the policy would, and IPS and
    SNIPS judge the rest only."""


def estimate_policy(slots: LoggedSlots) -> list[PolicyValue]:
    """The value of a policy by every estimator, beside that of the answers as logged."""
    weights = slots.weights
    answers = np.bincount(slots.users).astype(np.float64)
    modelled = _rewards_of_others(slots)
    q_put, q_shown = (modelled[0] * (slots.put >= 0), modelled[1])
    filled = slots.put >= 0
    per_answer = filled.sum() / len(slots.users)
    sums: dict[Estimator, tuple[Floats64, Floats64]] = {
        "logged": (_by_user(slots, slots.rewards), answers),
        "ips": (_by_user(slots, weights * slots.rewards), answers),
        "snips": (_by_user(slots, weights * slots.rewards) * per_answer, _by_user(slots, weights)),
        "dr": (_by_user(slots, q_put + weights * (slots.rewards - q_shown)), answers),
    }
    effective = float(weights.sum() ** 2 / max(np.square(weights).sum(), 1))
    support = float(weights.sum() / max(1, filled.sum()))
    return [
        PolicyValue(name, *ratio_interval(*both), len(answers), len(slots.users), effective, support)
        for name, both in sums.items()
    ]


def ratio_interval(numerators: Floats64, denominators: Floats64) -> tuple[float, float, float]:
    """Σ numerators / Σ denominators over independent users [u], with its 95 % interval by linearisation.

    >>> value, low, high = ratio_interval(np.array([0.0, 1.0, 1.0, 0.0]), np.ones(4))
    >>> value, round(low, 3), round(high, 3)
    (0.5, -0.419, 1.419)
    """
    users, total = len(numerators), denominators.sum()
    if not total:
        return (float("nan"),) * 3
    value = numerators.sum() / total
    if users < 2:
        return float(value), float("-inf"), float("inf")
    residuals = numerators - value * denominators
    error = np.sqrt(users / (users - 1) * np.square(residuals).sum()) / total
    reach = stats.t.ppf((1 + _LEVEL) / 2, users - 1) * error
    return float(value), float(value - reach), float(value + reach)


def _by_user(slots: LoggedSlots, values: Floats64) -> Floats64:
    return np.bincount(slots.users[slots.answers], values, minlength=int(slots.users.max()) + 1).astype(np.float64)


def _rewards_of_others(slots: LoggedSlots) -> tuple[Floats64, Floats64]:
    """[s] expected rewards of what the policy puts there and of what was shown, by models of the other users."""
    fold = slots.users[slots.answers] % FOLDS
    put, shown = np.zeros(len(fold)), np.zeros(len(fold))
    for place in range(FOLDS):
        here = fold == place
        model = RewardModel.fit(slots, ~here)
        put[here] = model.of(slots.put[here], slots.ranks[here])
        shown[here] = model.of(slots.shown[here], slots.ranks[here])
    return put, shown


@dataclass(frozen=True)
class RewardModel:
    """Rewards by rank and item: the rank's mean times the item's rewards over those expected by rank, shrunk to 1."""

    by_rank: Floats64
    """[ranks + 1] mean reward."""
    by_item: Floats64
    """[items + 1] (rewards + 1) / (expected by rank alone + 1)."""

    @classmethod
    def fit(cls, slots: LoggedSlots, some: Bools) -> RewardModel:
        """Fit to some of the slots [s], as they were shown."""
        ranks, items, rewards = slots.ranks[some], slots.shown[some], slots.rewards[some]
        size = int(slots.ranks.max()) + 1
        seen = np.bincount(ranks, minlength=size)
        by_rank = np.bincount(ranks, rewards, minlength=size) / np.maximum(seen, 1)
        count = int(max(slots.shown.max(), slots.put.max())) + 2
        gained = np.bincount(items, rewards, minlength=count)
        expected = np.bincount(items, by_rank[ranks], minlength=count)
        return cls(by_rank, (gained + _PRIOR) / (expected + _PRIOR))

    def of(self, items: Int64s, ranks: Int64s) -> Floats64:
        """[s] expected rewards of items (one below 0 is like an unknown one) in slots of these ranks."""
        return self.by_rank[ranks] * self.by_item[items]
