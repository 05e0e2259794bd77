"""Somebody's history and some items → a reason for each, the first that holds: paths, text, popularity, the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.serving.index.collection import Collection
from colisten.serving.profiles import Item, Profiles
from colisten.serving.why.graph import Graph
from colisten.serving.why.reasons import Reason, Way, by_listeners, by_model, by_place, by_text
from colisten.towers.listeners import Listeners

if TYPE_CHECKING:
    from colisten.graph_store.inspection.paths import Path

_CLOSE = 0.4
"""Cosine of two texts below which nobody would call them alike (unrelated ones have .0 to .2)."""
_TEXTS = 300
"""So many of the items heard last are compared by text."""


@dataclass(frozen=True)
class Explainer:
    """Gives reasons; what it asks is opened by others."""

    profiles: Profiles
    collection: Collection
    graph: Graph

    def explain(self, somebody: Listeners, items: Sequence[int], *, paths: int = 3) -> list[Reason]:
        """A reason for each item, for the one person in `somebody`; the graph is asked once for all of them."""
        heard = self._heard(somebody)
        ways = self._ways(heard, items, paths)
        unexplained = [item for item in items if not ways.get(item)]
        alike = self._alike(unexplained, heard)
        country = str(next(iter(somebody.features.get("country", ())), None) or "")
        places, known = self.profiles.popular(unexplained, country), self.profiles.items(unexplained)
        return [
            by_listeners(ways[item]) if ways.get(item)
            else alike[item] if item in alike
            else by_place(known[item], places[item]) if item in places
            else by_model()
            for item in items
        ]  # fmt: skip

    def _heard(self, somebody: Listeners) -> list[int]:
        """Items streamed, latest first; for somebody who streamed none, all they showed interest in."""
        strong = somebody.signals < self.profiles.facts.strong
        chosen = somebody.items[strong] if strong.any() else somebody.items
        found: list[int] = list(dict.fromkeys(chosen[::-1].tolist()))
        return found

    def _ways(self, heard: Sequence[int], items: Sequence[int], count: int) -> dict[int, list[Way]]:
        """Paths by name; the graph may already know items that the profiles do not."""
        found = self.graph.paths(heard, items, count)
        known = self.profiles.items([number for paths in found.values() for path in paths for number in path.items])
        return {
            item: [_way(path, known) for path in paths if known.keys() >= set(path.items)]
            for item, paths in found.items()
        }

    def _alike(self, items: Sequence[int], heard: Sequence[int]) -> dict[int, Reason]:
        """The items whose text is close to that of something heard."""
        if not items or not heard:
            return {}
        latest = heard[:_TEXTS]
        texts = self.collection.vectors("text", sorted({*items, *latest}))
        mine = np.array([item for item in latest if item in texts])
        if not len(mine):
            return {}
        heard_texts = np.stack([texts[item] for item in mine.tolist()])
        pairs = {item: _nearest(texts[item], item, mine, heard_texts) for item in items if item in texts}
        close = {item: pair for item, pair in pairs.items() if pair[1] >= _CLOSE}
        named = self.profiles.items([other for other, _ in close.values()])
        return {item: by_text(named[other], cosine) for item, (other, cosine) in close.items()}


def _nearest(text: Floats, item: int, heard: Int64s, texts: Floats) -> tuple[int, float]:
    """The item among `heard` [n], other than this one, whose text [n, width] is nearest, and their cosine."""
    cosines = np.where(heard == item, -1, texts @ text)
    best = int(cosines.argmax())
    return int(heard[best]), float(cosines[best])


def _way(path: Path, known: dict[int, Item]) -> Way:
    return Way(tuple(known[number] for number in path.items), path.listeners, path.weights, path.strength)
