"""Explain recommended items by what the graph joins them to, the user's signals, a text, popularity, or the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.relations import LEAST_COSINE
from colisten.serving.index.collection import Collection
from colisten.serving.index.layout import TEXT
from colisten.serving.placed_items import PlacedItems
from colisten.serving.profiles import Item, Profiles
from colisten.serving.why.path_finder import Evidence
from colisten.serving.why.reasons import (
    Path,
    Reason,
    by_link,
    by_listeners,
    by_model,
    by_novelty,
    by_popularity,
    by_signal,
    by_text,
)

if TYPE_CHECKING:
    from colisten.graph_store.inspection.paths import GraphPath

_MAX_TEXTS = 300
"""So many of the items heard last are compared by text."""


@dataclass(frozen=True)
class Explainer:
    """Explains recommendations; its profiles and collection are opened and closed by the caller."""

    profiles: Profiles
    collection: Collection
    placed: PlacedItems | None = None
    """New items, which neither graph nor collection knows."""

    def explain(self, history: UserHistories, items: Sequence[int], evidence: Evidence) -> list[Reason]:
        """A reason for each item, for the one user in `history`; `evidence` is that of `heard(history)` and the items.

        The first of: next in a series that was begun, co-listening paths, a signal of the user's own, another relation
        of the graph (series, creator, the platform's own, text), a similar text, a new release of a creator who is
        heard, popularity, the model.
        """
        heard = self.heard(history)
        reasons = self._from_graph(items, evidence, self._signalled(history))
        unexplained = [item for item in items if item not in reasons]
        similar = self._similar_texts(unexplained, heard)
        country = str(next(iter(history.features.get("country", ())), None) or "")
        releases = self.profiles.new_releases(unexplained)
        ranks, known = self.profiles.popular(unexplained, country), self.profiles.items(unexplained)
        return [
            reasons[item] if item in reasons
            else similar[item] if item in similar
            else by_novelty(releases[item]) if item in releases
            else by_popularity(known[item], ranks[item]) if item in ranks
            else by_model()
            for item in items
        ]  # fmt: skip

    def heard(self, history: UserHistories) -> list[int]:
        """Items of the catalogue streamed, latest first; if there are none, items with weak signals."""
        strong = history.signals < self.profiles.facts.strong
        chosen = history.items[strong] if strong.any() else history.items
        latest_first: list[int] = list(dict.fromkeys(chosen[::-1].tolist()))
        return [item for item in latest_first if item < self.profiles.size]

    def _from_graph(self, items: Sequence[int], evidence: Evidence, signalled: Mapping[int, str]) -> dict[int, Reason]:
        """Reasons that the graph, or a signal of the user's own, gives."""
        paths, links = self._paths(evidence), self._links(evidence)
        found = {}
        for item in items:
            (is_next, link), ways = links.get(item, (False, None)), paths.get(item, [])
            if link and is_next:
                found[item] = replace(link, paths=tuple(ways))
            elif ways:
                found[item] = by_listeners(ways)
            elif item in signalled:
                found[item] = by_signal(signalled[item])
            elif link:
                found[item] = link
        return found

    def _signalled(self, history: UserHistories) -> dict[int, str]:
        """The latest weak signal on each item that has any."""
        facts = self.profiles.facts
        weak = history.signals >= facts.strong
        return {
            item: facts.signals[code]
            for item, code in zip(history.items[weak].tolist(), history.signals[weak].tolist(), strict=True)
        }

    def _paths(self, evidence: Evidence) -> dict[int, list[Path]]:
        """Paths to each item, without those through items newer than the profiles."""
        found = evidence.paths
        known = self._known([number for paths in found.values() for path in paths for number in path.items])
        return {
            item: [_with_items(path, known) for path in paths if known.keys() >= set(path.items)]
            for item, paths in found.items()
        }

    def _links(self, evidence: Evidence) -> dict[int, tuple[bool, Reason]]:
        """The first link to each item, as a reason, and whether the item is the next in a series."""
        found = {item: links[0] for item, links in evidence.links.items() if links}
        known = self._known([*found, *(link.heard for link in found.values())])
        return {
            item: (link.is_next, by_link(known[item], known[link.heard], link))
            for item, link in found.items()
            if item in known and link.heard in known
        }

    def _known(self, numbers: Sequence[int]) -> dict[int, Item]:
        """Items of the graph that the catalogue of the profiles has; a newer graph has further ones."""
        return self.profiles.items([number for number in numbers if number < self.profiles.size])

    def _similar_texts(self, items: Sequence[int], heard: Sequence[int]) -> dict[int, Reason]:
        """Reasons for the items whose text is similar to that of an item heard."""
        if not items or not heard:
            return {}
        latest = heard[:_MAX_TEXTS]
        texts = self.collection.vectors(TEXT, sorted({*items, *latest})) | self._new_texts(items)
        compared = np.array([item for item in latest if item in texts])
        if not len(compared):
            return {}
        heard_texts = np.stack([texts[item] for item in compared.tolist()])
        of_this_encoder = [item for item in items if item in texts and len(texts[item]) == heard_texts.shape[1]]
        nearest = {item: _nearest(texts[item], item, compared, heard_texts) for item in of_this_encoder}
        similar = {item: pair for item, pair in nearest.items() if pair[1] >= LEAST_COSINE}
        known = self.profiles.items([other for other, _ in similar.values()])
        return {item: by_text(known[other], cosine) for item, (other, cosine) in similar.items()}

    def _new_texts(self, items: Sequence[int]) -> dict[int, Floats]:
        found = {item: self.placed.vector(TEXT, item) for item in items} if self.placed else {}
        return {item: text for item, text in found.items() if text is not None}


def _nearest(text: Floats, item: int, heard: Int64s, texts: Floats) -> tuple[int, float]:
    """The item among `heard` [n], other than this one, whose text [n, width] is nearest, and their cosine."""
    cosines = np.where(heard == item, -1, texts @ text)
    best = int(cosines.argmax())
    return int(heard[best]), float(cosines[best])


def _with_items(path: GraphPath, known: dict[int, Item]) -> Path:
    return Path(tuple(known[number] for number in path.items), path.listeners, path.weights, path.strength)
