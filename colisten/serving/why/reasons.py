"""A reason: what kind it is, the evidence, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from colisten.serving.profiles import Item, Place

Kind = Literal["listeners", "text", "popular", "model"]


@dataclass(frozen=True)
class Path:
    """A co-listening path from something heard to the item."""

    items: tuple[Item, ...]
    """What was heard, perhaps one item between, the item itself."""
    listeners: tuple[int, ...]
    """Of each edge."""
    weights: tuple[float, ...]
    strength: float

    def __str__(self) -> str:
        heard, *between = (named(item) for item in self.items[:-1])
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
    """Why one item is recommended to one person."""

    kind: Kind
    words: str
    """One sentence, without a full stop."""
    paths: tuple[Path, ...] = ()
    """Strongest first; only of kind `listeners`."""
    about: Mapping[str, Any] | None = None
    """Evidence of the other kinds."""

    def as_json(self) -> dict[str, Any]:
        """`kind`, `words`, `paths`, `about`."""
        return {"kind": self.kind, "words": self.words, "paths": [path.as_json() for path in self.paths],
                "about": dict(self.about or {})}  # fmt: skip


def by_listeners(paths: Sequence[Path]) -> Reason:
    """Paths lead there."""
    others = [named(item) for item in dict.fromkeys(path.items[0] for path in paths[1:]) if item != paths[0].items[0]]
    return Reason("listeners", str(paths[0]) + (f"; also from {' and '.join(others)}" if others else ""),
                  tuple(paths))  # fmt: skip


def by_text(like: Item, cosine: float) -> Reason:
    """No path does, but it reads like something heard."""
    about = like.as_json() | {"cosine": round(cosine, 4)}
    return Reason("text", f"closest in text to {named(like)} (cosine {cosine:.2f})", about=about)


def by_popularity(item: Item, place: Place) -> Reason:
    """It is popular, everywhere or in somebody's country."""
    where = f"in {place.country}" if place.country else "everywhere"
    words = f"popular {where}: {item.item_type} number {place.place}, {_people(place.listeners)}"
    about = {"country": place.country or None, "place": place.place, "listeners": place.listeners}
    return Reason("popular", words, about=about)


def by_model() -> Reason:
    """Nothing that could be pointed at."""
    return Reason("model", "no single item explains it: the model puts it near the whole of what is known of you")


def named(item: Item) -> str:
    """The item as people call it."""
    return f"‘{item.title}’" if item.title else item.item_id


def _people(count: int) -> str:
    return f"{count:,} listener" + ("s" if count != 1 else "")
