"""Somebody's history and some items → a reason for each, the first that holds: paths, text, popularity, the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.serving.index.collection import Collection
from colisten.serving.profiles import Item, Profiles
from colisten.serving.why.path_finder import PathFinder
from colisten.serving.why.reasons import Path, Reason, by_listeners, by_model, by_popularity, by_text

if TYPE_CHECKING:
    from colisten.graph_store.inspection.paths import GraphPath

_CLOSE = 0.4
"""Cosine of two texts below which nobody would call them alike (unrelated ones have .0 to .2)."""
_TEXTS = 300
"""So many of the items heard last are compared by text."""


@dataclass(frozen=True)
class Explainer:
    """Gives reasons; what it asks is opened by others."""

    profiles: Profiles
    collection: Collection
    graph: PathFinder

    def explain(self, history: UserHistories, items: Sequence[int], *, max_paths: int = 3) -> list[Reason]:
        """A reason for each item, for the one person in `history`; the graph is asked once for all of them."""
        heard = self._heard(history)
        paths = self._named_paths(heard, items, max_paths)
        unexplained = [item for item in items if not paths.get(item)]
        alike = self._alike(unexplained, heard)
        country = str(next(iter(history.features.get("country", ())), None) or "")
        places, known = self.profiles.popular(unexplained, country), self.profiles.items(unexplained)
        return [
            by_listeners(paths[item]) if paths.get(item)
            else alike[item] if item in alike
            else by_popularity(known[item], places[item]) if item in places
            else by_model()
            for item in items
        ]  # fmt: skip

    def _heard(self, history: UserHistories) -> list[int]:
        """Items streamed, latest first; for somebody who streamed none, all they showed interest in."""
        strong = history.signals < self.profiles.facts.strong
        chosen = history.items[strong] if strong.any() else history.items
        found: list[int] = list(dict.fromkeys(chosen[::-1].tolist()))
        return found

    def _named_paths(self, heard: Sequence[int], items: Sequence[int], count: int) -> dict[int, list[Path]]:
        """Paths by name; the graph may already know items that the profiles do not."""
        found = self.graph.paths(heard, items, count)
        known = self.profiles.items([number for paths in found.values() for path in paths for number in path.items])
        return {
            item: [_named_path(path, known) for path in paths if known.keys() >= set(path.items)]
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


def _named_path(path: GraphPath, known: dict[int, Item]) -> Path:
    return Path(tuple(known[number] for number in path.items), path.listeners, path.weights, path.strength)
