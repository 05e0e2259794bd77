"""Reasons for a recommendation: their kind, their evidence, and the sentence that tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from colisten import relations
from colisten.serving.profiles import Item, NewRelease, PopularityRank

if TYPE_CHECKING:
    from colisten.graph_store.inspection.links import Link

_WEEK = 7
"""Days."""
ReasonKind = Literal["listeners", "series", "signal", "creator", "relation", "text", "new", "popular", "model"]


@dataclass(frozen=True)
class Path:
    """A co-listening path from an item the user heard to the item explained."""

    items: tuple[Item, ...]
    """The item heard, perhaps one between, and the item explained."""
    listeners: tuple[int, ...]
    """Of each edge: users who listened to both of its items."""
    weights: tuple[float, ...]
    """Of each edge: cosine of its two items' listeners, shrunk where they are few."""
    strength: float
    """As in `GraphPath.strength`."""

    def __str__(self) -> str:
        heard, *between = (display_name(item) for item in self.items[:-1])
        shared, weights = self.listeners, ", ".join(f"{weight:.2f}" for weight in self.weights)
        if not between:
            return f"{_people(shared[0])} of {heard} heard it too (weight {weights})"
        return (
            f"{_people(shared[0])} of {heard} also heard {between[0]}, and {shared[1]:,} of its listeners heard this "
            f"(weights {weights})"
        )

    def as_json(self) -> dict[str, Any]:
        edges = zip(self.listeners, self.weights, strict=True)
        return {
            "items": [item.as_json() for item in self.items],
            "edges": [{"listeners": listeners, "weight": round(weight, 4)} for listeners, weight in edges],
            "strength": round(self.strength, 6),
        }


@dataclass(frozen=True)
class Reason:
    """Why one item is recommended to one user."""

    kind: ReasonKind
    words: str
    """The sentence, without a full stop."""
    paths: tuple[Path, ...] = ()
    """Strongest first; there may be some where the kind is `series`, and are none where it is another."""
    about: Mapping[str, Any] | None = None
    """Evidence of the other kinds."""

    def as_json(self) -> dict[str, Any]:
        """`kind`, `words`, `paths`, `about`."""
        return {"kind": self.kind, "words": self.words, "paths": [path.as_json() for path in self.paths],
                "about": dict(self.about or {})}  # fmt: skip


def by_listeners(paths: Sequence[Path]) -> Reason:
    """Explained by co-listening paths."""
    others = [
        display_name(item) for item in dict.fromkeys(path.items[0] for path in paths[1:]) if item != paths[0].items[0]
    ]
    return Reason("listeners", str(paths[0]) + (f"; also from {' and '.join(others)}" if others else ""),
                  tuple(paths))  # fmt: skip


def by_signal(signal: str) -> Reason:
    """Explained by a weak signal that the user gave the item itself."""
    return Reason("signal", f"you gave it the signal ‘{signal}’", about={"signal": signal})


def by_link(item: Item, heard: Item, link: Link) -> Reason:
    """Explained by a relation of the graph other than co-listening, to an item the user heard."""
    about = heard.as_json() | {"relation": link.relation, "weight": round(link.weight, 4)}
    name = display_name(heard)
    match link.relation:
        case relations.SAME_SERIES:
            about |= {"series": link.series, "step": link.step}
            return Reason("series", _in_series(item, name, link), about=about)
        case relations.SAME_CREATOR:
            of = f"by {' and '.join(link.creators)}, of whom" if link.creators else "by a creator of whom"
            return Reason("creator", f"{of} you heard {name}", about=about | {"creators": list(link.creators)})
        case relations.SIMILAR_TEXT:
            return by_text(heard, link.weight)
        case relation:
            words = relation.replace("_", " ")
            told = f"{name}, which you heard, is {words} it" if link.outgoing else f"{words} {name}, which you heard"
            return Reason("relation", told, about=about | {"outgoing": link.outgoing})


def _in_series(item: Item, heard: str, link: Link) -> str:
    series = f"the series ‘{link.series}’" if link.series else "its series"
    if not link.is_next:
        return f"of {series}, of which you heard {heard}"
    if link.step == 1:
        return f"the next {item.item_type} of {series}, after {heard}, which you heard"
    return f"{link.step:g} places after {heard}, which you heard, in {series}"


def by_text(heard: Item, cosine: float) -> Reason:
    """Explained by an item the user heard, whose text is similar."""
    about = heard.as_json() | {"cosine": round(cosine, 4)}
    return Reason("text", f"closest in text to {display_name(heard)} (cosine {cosine:.2f})", about=about)


def by_novelty(release: NewRelease) -> Reason:
    """Explained by being new, from a creator who is heard."""
    when = "this week" if release.days < _WEEK else "this month"
    words = f"new {when} from {release.creator}, who has {_people(release.listeners)}"
    return Reason("new", words, about=asdict(release))


def by_popularity(item: Item, popularity: PopularityRank) -> Reason:
    """Explained by its popularity, in the user's country or overall."""
    country, rank, listeners = popularity.country, popularity.rank, popularity.listeners
    where = f"in {country}" if country else "everywhere"
    words = f"popular {where}: {item.item_type} number {rank}, {_people(listeners)}"
    about = {"country": country or None, "place": rank, "listeners": listeners}
    return Reason("popular", words, about=about)


def by_model() -> Reason:
    """Explained by no single item: the model alone."""
    return Reason("model", "no single item explains it: the model puts it near the whole of what is known of you")


def display_name(item: Item) -> str:
    """The item's title in quotes, else its id."""
    return f"‘{item.title}’" if item.title else item.item_id


def _people(count: int) -> str:
    return f"{count:,} listener" + ("s" if count != 1 else "")
