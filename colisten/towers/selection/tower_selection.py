"""What validation selected, and for how long that stands: the search takes longer than training by its result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from colisten.towers.linear.model import LinearOptions
from colisten.towers.selection.mixing import Weights
from colisten.towers.two_tower.trainer import TrainingOptions

_GROWTH = 1.1
"""Times as many interactions as those that a selection was made on may be there, until it is made anew."""


@dataclass(frozen=True)
class Circumstances:
    """What a selection was made in."""

    day: str
    """UTC, ISO 8601."""
    interactions: int
    item_types: tuple[str, ...]
    """Options name them by their places."""
    relations: tuple[str, ...]
    """Those of the graph that have edges."""

    def like(self, others: Circumstances) -> bool:
        """Are they much the same as those, of an earlier day?"""
        same = (self.item_types, self.relations) == (others.item_types, others.relations)
        return same and self.interactions <= _GROWTH * others.interactions


@dataclass(frozen=True)
class TowerSelection:
    """Selected hyper-parameters with their validation results; also kept as `chosen` in `spec.json`."""

    made: Circumstances
    linear: LinearOptions | None
    """None where nothing could be held out, or the part is not wanted."""
    training_options: TrainingOptions
    epochs: int
    """The best one of the towers."""
    recent: int
    """Half-life in days of the listening that the towers were finished on; 0: all of it alike."""
    half_life: float | None
    """Of what follows what, in items; None: order says nothing."""
    optimism: float
    """What is added to the logarithm of demand of an item that nobody has heard."""
    warm: Weights
    cold: Weights
    validation: dict[str, dict[str, float]]
    """Mean of NDCG@10 and NDCG@100 on held-out pairs, for warm and cold users: each part alone, and the mix."""
    tried: dict[str, float]
    """Mean gain in NDCG of each change that was tried, over the best before it."""
    kept: tuple[str, ...]
    """Those of them that were worth their cost."""

    def counts(self, part: str) -> bool:
        """Is its weight above zero for warm or cold users?"""
        return bool(self.warm.get(part) or self.cold.get(part))


def read_selection(folder: Path) -> TowerSelection | None:
    """What the towers in `folder` were trained by; None where there are none, or damaged ones, or older ones."""
    try:
        return TypeAdapter(TowerSelection).validate_python(json.loads((folder / "spec.json").read_text())["chosen"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
