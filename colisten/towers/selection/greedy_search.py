"""Greedy hyper-parameter search: one change at a time, kept if significantly better, within a time budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from colisten.arrays import Floats
from colisten.towers.selection.ranking_task import significantly_better


class Option(Protocol):
    """A trained model with its validation result."""

    @property
    def ndcg(self) -> Floats:
        """[users]"""
        ...


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

    def summary(self) -> Iterator[str]:
        """What was tried and kept, in words; empty where nothing was tried."""
        if self.tried or (self.left and self.seconds):
            changes = ", ".join(f"{name} {gain:+.4f}" for name, gain in self.tried.items()) or "nothing"
            late = f", no time for {self.left} more" if self.left else ""
            yield f"  tried on the validation split, in {self.spent:.0f} of {self.seconds:.0f} s: {changes}{late}"
            yield f"  kept: {', '.join(self.kept) or 'none of it, nothing is significantly better'}"

    def best(self, start: T, took: float, changes: Iterable[Change[T]]) -> T:
        """`start`, with those changes that are significantly better on validation.

        `took` seconds went into `start`; a change is begun if the longest one so far would still fit.
        """
        found, longest = start, took
        for name, change in changes:
            if self.spent + longest > self.seconds:
                self.left += 1
                continue
            began = time.monotonic()
            other = change(found)
            took = time.monotonic() - began
            self.spent, longest = self.spent + took, max(longest, took)
            self.tried[name] = float((other.ndcg - found.ndcg).mean())
            if significantly_better(other.ndcg, found.ndcg):
                found = other
                self.kept.append(name)
        return found
