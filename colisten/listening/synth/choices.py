"""Discrete choices by the Gumbel top-k trick: in each period, every user chooses items in proportion to preference.

Adding Gumbel noise to log preferences and taking the largest draws without replacement in proportion to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from colisten.arrays import Bools, Floats, Int64s
from colisten.errors import SettingsError
from colisten.listening.synth.catalogue import Catalogue
from colisten.listening.synth.drawing import draw
from colisten.listening.synth.following import Following
from colisten.listening.synth.people import People

PERIODS = 4
"""Tastes and new items change from one to the next."""
_TASTE = 10.0
"""Weight of taste beside popularity: log odds between the best and an unrelated item."""
_DRIFT = 0.12
"""Weight of the drift beside the taste, at the end."""
_NOVELTY = 0.8
"""Additional log odds of a new item."""
_USERS_AT_ONCE = 2048
_CELLS_AT_ONCE = _USERS_AT_ONCE * 2**15
"""Bounds the memory, 4 bytes each: with more items of a type than that, fewer users at once."""


@dataclass(frozen=True)
class Preferences:
    """Log preference = users @ items.T + bias, up to a constant per user and type."""

    users: Floats
    """[users, types, F]"""
    items: Floats
    """[items, F]"""
    bias: Floats
    """[items]"""

    def of(self, users: Int64s, kind: int, items: Int64s) -> Floats:
        """Float32 [users, items] for items of one type."""
        scores: Floats = self.users[users, kind] @ self.items[items].T
        scores += self.bias[items]
        return scores


@dataclass(frozen=True)
class Choices:
    """Pairs of a user and an item that was considered: some are streamed, the others are not."""

    user: Int64s
    item: Int64s
    streamed: Bools
    earliest: Floats
    """Day from which both the user had adopted the type and the item was published, at most `latest`."""
    latest: Floats


def preferences(catalogue: Catalogue, people: People, days: int, period: int) -> Preferences:
    """The preferences of all users in a period."""
    moved = people.tastes + _DRIFT * period / (PERIODS - 1) * people.drift[:, None, :]
    moved = _TASTE * moved / np.linalg.norm(moved, axis=2, keepdims=True)
    language = np.repeat(people.language[:, None, :], moved.shape[1], axis=1)
    item_language = np.eye(language.shape[2], dtype=np.float32)[catalogue.language]
    begin = period * days / PERIODS
    new = (catalogue.day > begin - days / PERIODS) & (catalogue.day > 0)
    return Preferences(
        np.concatenate([moved, language], axis=2).astype(np.float32),
        np.concatenate([catalogue.position, item_language], axis=1),
        (catalogue.popularity + _NOVELTY * new).astype(np.float32),
    )


def choose(
    catalogue: Catalogue, people: People, days: int, considered_only: Floats, rng: np.random.Generator
) -> Iterator[Choices]:
    """All choices, in pieces, no pair twice; per type, `considered_only` items are not streamed for each that is.

    Every item is looked at for every listener of its type in every period: see `drawing.draw`.
    """
    users = np.arange(len(people.adopted))
    by_period = [preferences(catalogue, people, days, period) for period in range(PERIODS)]
    for kind in range(len(catalogue.types)):
        items = np.flatnonzero(catalogue.type_of == kind)
        following = Following.among(catalogue, items)
        listeners = users[people.adopted[:, kind] < days]
        at_once = max(1, min(_USERS_AT_ONCE, _CELLS_AT_ONCE // len(items)))
        for start in range(0, len(listeners), at_once):
            block = listeners[start : start + at_once]
            taken: list[tuple[Int64s, Int64s]] = []
            followed = np.zeros((2, 0), np.int64)
            for preferred, span in zip(by_period, _spans(days), strict=True):
                streamed, considered = _counts(people, span, kind, block, float(considered_only[kind]), rng)
                scores = preferred.of(block, kind, items)
                following.add(scores, *followed)
                scores[:, catalogue.day[items] >= span[1]] = -np.inf
                for earlier in taken:
                    scores[earlier] = -np.inf
                row, place, rank = draw(scores, considered, rng)
                taken.append((row, place))
                is_streamed = rank < streamed[row]
                led_on = is_streamed & people.follows[block[row]]
                followed = np.concatenate([followed, (row[led_on], place[led_on])], axis=1)
                earliest = np.maximum(people.adopted[block[row], kind], catalogue.day[items[place]])
                latest = np.full(len(row), span[1], np.float32)
                yield Choices(block[row], items[place], is_streamed, np.maximum(span[0], earliest), latest)


def _spans(days: int) -> list[tuple[float, float]]:
    return [(period * days / PERIODS, (period + 1) * days / PERIODS) for period in range(PERIODS)]


def _counts(
    people: People,
    span: tuple[float, float],
    kind: int,
    users: Int64s,
    considered_only: float,
    rng: np.random.Generator,
) -> tuple[Int64s, Int64s]:
    """How many items each user streams in a period, and how many are considered."""
    mean, at_least = _streamed(people, span, kind, users)
    streamed = np.maximum(rng.poisson(mean), at_least)
    return streamed, streamed + rng.poisson(streamed * considered_only)


def _streamed(people: People, span: tuple[float, float], kind: int, users: Int64s) -> tuple[Floats, Bools]:
    """How many items each user streams in a period: in the mean, and at least (a Poisson draw is raised to that)."""
    begin, end = span
    adopted = people.adopted[users, kind]
    mean = people.rate[users, kind] / PERIODS * np.clip((end - adopted) / (end - begin), 0, 1)
    return mean, (adopted >= begin) & (adopted < end)  # adopting the type is streaming something


def with_streams(people: People, days: int, per_user: float) -> People:
    """The people with all rates scaled by one number, so that a user streams `per_user` different items on average.

    As far as there are enough items: who would stream more than all of a type streams all.

    Raises:
        SettingsError: adopting the item types alone makes as many streams.
    """
    users, kinds = np.arange(len(people.adopted)), range(people.adopted.shape[1])
    parts = [_streamed(people, span, kind, users) for span in _spans(days) for kind in kinds]
    mean, at_least = (np.concatenate(one).astype(np.float64) for one in zip(*parts, strict=True))
    least = at_least.sum() / len(users)
    if not least < per_user < np.inf:
        raise SettingsError(f"per_user must be more than {least:.2f}, since whoever adopts an item type streams it.")

    def surplus(log_factor: float) -> float:
        scaled = mean * np.exp(log_factor)
        return float((scaled + at_least * np.exp(-scaled)).sum()) / len(users) - per_user  # E[max(Poisson, at least)]

    return replace(people, rate=people.rate * np.float32(np.exp(brentq(surplus, -30, 30))))
