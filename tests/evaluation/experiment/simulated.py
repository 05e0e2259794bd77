"""A/B tests and logged answers in the synthetic world, whose truth says what would have happened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Bools, Floats64, Int64s
from colisten.evaluation.experiment.off_policy import LoggedSlots
from colisten.listening.synth.truth import true_preferences
from colisten.listening.synth.world import make_world
from colisten.serving.experiment.groups import Experiment
from colisten.serving.experiment.slots import draw_slots, propensities

CHOICES = 2
"""Audiobooks that a user chooses by preference while an experiment runs."""
NOTICED = 0.9
"""Slot after slot, of those who look at one, so many look at the next."""


@dataclass(frozen=True)
class SimulatedWorld:
    """Users and audiobooks of the synthetic world, with the true chance of each to be chosen."""

    user_ids: tuple[str, ...]
    chosen: Floats64
    """[users, items] probability that the user streams the item while the experiment runs, if they see it."""
    popular: Int64s
    """[items] most popular first."""
    personal: Int64s
    """[users, items] best first, by a noisy guess at each user's taste."""

    @classmethod
    def make(cls, folder: Path, users: int, items: int) -> SimulatedWorld:
        """A small world of `make_world`."""
        make_world(folder, users=users, audiobooks=items, podcasts=20, seed=5)
        truth = true_preferences(folder)
        books = np.flatnonzero(truth.type_of == truth.item_types.index("audiobook"))
        scores = truth.scores(np.arange(len(truth.user_ids)))[:, books].astype(np.float64)
        chance = np.exp(scores - scores.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        guess = scores + np.random.default_rng(1).normal(scale=0.4 * scores.std(), size=scores.shape)
        return cls(
            truth.user_ids, 1 - (1 - chance) ** CHOICES, np.argsort(-chance.mean(axis=0)), np.argsort(-guess, axis=1)
        )

    def shown(self, policy: str, k: int) -> Int64s:
        """[users, k] what `popular` or `personal` shows."""
        if policy == "popular":
            return np.tile(self.popular[:k], (len(self.user_ids), 1))
        return self.personal[:, :k]

    def rewards(self, shown: Int64s, users: Int64s | None = None) -> Floats64:
        """[n, k] probability that each slot is noticed and its item streamed."""
        owners = np.arange(len(self.user_ids)) if users is None else users
        return self.chosen[owners[:, None], shown] * NOTICED ** np.arange(shown.shape[1])


def assigned(world: SimulatedWorld, salt: str) -> Bools:
    """[users] who is in the second of two groups."""
    halves = Experiment("e", salt, {"control": 0.5, "fresh": 0.5})
    return np.array([halves.group_of(user) == "fresh" for user in world.user_ids])


def outcomes(world: SimulatedWorld, fresh: Bools, policies: tuple[str, str], rng: np.random.Generator) -> pl.DataFrame:
    """`group`, `streamed`, `started` of each user: their group decides which policy they see."""
    found = [_drawn(world.rewards(world.shown(policy, 10)), rng) for policy in policies]
    streamed = np.where(fresh, found[1], found[0]).astype(np.float64)
    started = np.maximum(streamed, rng.random(len(fresh)) < 0.3)
    groups = np.where(fresh, "fresh", "control")
    return pl.DataFrame({"group": groups, "streamed": streamed, "started": started})


def _drawn(rewards: Floats64, rng: np.random.Generator) -> Bools:
    """[users] who streams something of what is shown."""
    return np.asarray((rng.random(rewards.shape) < rewards).any(axis=1))


def true_lift(world: SimulatedWorld, policies: tuple[str, str]) -> float:
    """By how much more users stream something, on average over all of them."""
    rates = [1 - np.prod(1 - world.rewards(world.shown(policy, 10)), axis=1) for policy in policies]
    return float((rates[1] - rates[0]).mean())


def logged_answers(
    world: SimulatedWorld, users: Int64s, rng: np.random.Generator, *, k: int = 4, pool: int = 12, epsilon: float = 0.3
) -> tuple[LoggedSlots, Floats64]:
    """Answers of `popular` that explore, held against `personal` among the same pool; and the true value for each user.

    Args:
        world: who answers and streams.
        users: of each answer.
        rng: of users, slots and rewards.
        k: slots.
        pool: the most popular items that slots are filled from.
        epsilon: probability of each slot to be filled at random.
    """
    best = world.popular[:pool]
    places = draw_slots(len(users), k, pool, epsilon, rng)
    shown = best[places]
    put = best[np.argsort(np.argsort(world.personal, axis=1)[:, best], axis=1)[:, :k]]
    rewards = rng.random(shown.shape) < world.rewards(shown, users)
    present, codes = np.unique(users, return_inverse=True)
    slots = LoggedSlots(
        codes, np.repeat(np.arange(len(users)), k), np.tile(np.arange(1, k + 1), len(users)), shown.ravel(),
        put[users].ravel(), propensities(places, pool, epsilon).ravel(), rewards.ravel().astype(np.float64),
    )  # fmt: skip
    return slots, world.rewards(put)[present].sum(axis=1)
