"""Greedy hyper-parameter search in a time budget: one change at a time, kept if its expected gain is worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol, TypeVar

from colisten.arrays import Floats
from colisten.towers.selection.ranking_task import expected_gain


class Option(Protocol):
    """A trained model with its validation result."""

    @property
    def ndcg(self) -> Floats:
        """[users]"""
        ...


COST = 0.005
"""Least expected gain, as a share of NDCG, that is worth leaving a default for."""
T = TypeVar("T", bound=Option)
Change = tuple[str, Callable[[T], T]]
"""Its name, and what makes another option out of the best one so far."""


@dataclass
class GreedySearch:
    """Greedy search within a time budget.

    What the data are like decides what is tried and kept, the clock only where that stops.
    """

    seconds: float
    """For everything that is tried, what was there before not counted."""
    spent: float = 0.0
    tried: dict[str, float] = field(default_factory=dict)
    """Mean gain of each change over what was best before it."""
    kept: list[str] = field(default_factory=list)
    left: int = 0
    """Changes that no time was left for."""
    reserved: float = 0.0
    """Of the seconds, for what is tried later."""
    _longest: float = 0.0

    @property
    def remaining(self) -> float:
        """Seconds that may be spent now."""
        return self.seconds - self.reserved - self.spent

    def summary(self) -> Iterator[str]:
        """What was tried and kept, in words; empty where nothing was tried."""
        if self.tried or (self.left and self.seconds):
            changes = ", ".join(f"{name} {gain:+.4f}" for name, gain in self.tried.items()) or "nothing"
            late = f", no time for {self.left} more" if self.left else ""
            yield f"  tried on the validation split, in {self.spent:.0f} of {self.seconds:.0f} s: {changes}{late}"
            yield f"  kept: {', '.join(self.kept) or 'none of it'}"

    def best(self, start: T, took: float, changes: Iterable[Change[T]]) -> T:
        """`start`, with those changes that are worth their cost; `took` seconds went into `start`."""
        for name, change in changes:
            start = self.attempt(start, took, name, change)
        return start

    def attempt(self, found: T, took: float, name: str, change: Callable[[T], T], cost: float = COST) -> T:
        """The changed option if its expected gain is above `cost`, a share of NDCG; else the one given.

        The change is begun if the longest one so far (or `took` seconds) would still fit.
        """
        if max(took, self._longest) > self.remaining:
            self.left += 1
            return found
        began = monotonic()
        other = change(found)
        spent = monotonic() - began
        self.spent, self._longest = self.spent + spent, max(self._longest, spent)
        self.tried[name] = float((other.ndcg - found.ndcg).mean())
        if expected_gain(other.ndcg, found.ndcg) <= cost * float(found.ndcg.mean()):
            return found
        self.kept.append(name)
        return other
