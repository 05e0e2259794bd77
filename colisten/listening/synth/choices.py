"""Discrete choices by the Gumbel top-k trick: in each period, every user chooses items in proportion to preference.

Adding Gumbel noise to log preferences and taking the largest draws without replacement in proportion to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.listening.synth.catalogue import Catalogue
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
_TINY = np.finfo(np.float32).tiny


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
        scores: Floats = self.users[users, kind] @ self.items[items].T + self.bias[items]
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
    """All choices, in pieces, no pair twice; per type, `considered_only` items are not streamed for each that is."""
    users = np.arange(len(people.adopted))
    by_period = [preferences(catalogue, people, days, period) for period in range(PERIODS)]
    spans = [(period * days / PERIODS, (period + 1) * days / PERIODS) for period in range(PERIODS)]
    for kind in range(len(catalogue.types)):
        items = np.flatnonzero(catalogue.type_of == kind)
        listeners = users[people.adopted[:, kind] < days]
        for start in range(0, len(listeners), _USERS_AT_ONCE):
            block = listeners[start : start + _USERS_AT_ONCE]
            taken = np.zeros((len(block), len(items)), bool)
            for preferred, span in zip(by_period, spans, strict=True):
                streamed, considered = _counts(people, span, kind, block, float(considered_only[kind]), rng)
                scores = preferred.of(block, kind, items)
                scores[taken | (catalogue.day[items] >= span[1])] = -np.inf
                row, place, rank = _draw(scores, considered, rng)
                taken[row, place] = True
                earliest = np.maximum(people.adopted[block[row], kind], catalogue.day[items[place]])
                latest = np.full(len(row), span[1], np.float32)
                yield Choices(block[row], items[place], rank < streamed[row], np.maximum(span[0], earliest), latest)


def _counts(
    people: People,
    span: tuple[float, float],
    kind: int,
    users: Int64s,
    considered_only: float,
    rng: np.random.Generator,
) -> tuple[Int64s, Int64s]:
    """How many items each user streams in a period, and how many are considered."""
    begin, end = span
    adopted = people.adopted[users, kind]
    streamed = rng.poisson(people.rate[users, kind] / PERIODS * np.clip((end - adopted) / (end - begin), 0, 1))
    streamed = np.maximum(streamed, (adopted >= begin) & (adopted < end))  # adopting the type is streaming something
    return streamed, streamed + rng.poisson(streamed * considered_only)


def _draw(scores: Floats, counts: Int64s, rng: np.random.Generator) -> tuple[Int64s, Int64s, Int64s]:
    """Draw `counts` columns in each row without replacement, in proportion to exp(scores): rows, columns, ranks."""
    noisy = scores - np.log(np.maximum(rng.standard_exponential(scores.shape, dtype=np.float32), _TINY))
    best = _largest(noisy, int(counts.max(initial=0)))
    possible = np.isfinite(np.take_along_axis(noisy, best, axis=1))
    row, rank = np.nonzero(possible & (np.arange(best.shape[1]) < counts[:, None]))
    return row, best[row, rank], rank


def _largest(scores: Floats, count: int) -> Int64s:
    """Columns of the `count` largest in each row, largest first."""
    count = min(count, scores.shape[1])
    if not count:
        return np.empty((len(scores), 0), np.int64)
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    largest: Int64s = np.take_along_axis(best, order, axis=1)
    return largest
