"""What both back ends offer: collections of item vectors that are searched, drafted, switched and dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.errors import IndexStoreError

FILTERED = ("item_type", "language", "genres")
"""Payload fields that conditions look at: indexed before the first point is there, or graph searches lose recall."""

_NO_SUCH_VECTOR = "Not existing vector name"
"""What the engine says of a search by a vector that a collection does not have."""
ON_DISK = ("text",)
"""Vectors that are paged in when they are asked for: most questions never do."""


@dataclass(frozen=True)
class Conditions:
    """What an answer must fulfil: one of the values of every field that has any."""

    item_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()

    def fields(self) -> Iterator[tuple[str, list[str]]]:
        """Payload field and the values allowed in it, for each field that is limited."""
        for field, values in zip(FILTERED, (self.item_types, self.languages, self.genres), strict=True):
            if values:
                yield field, list(values)


EVERYTHING = Conditions()


@dataclass(frozen=True)
class Hits:
    """The best items of each query, best first, equal scores by item number."""

    items: Int64s
    """[queries, limit]; -1 where there are no more."""
    scores: Floats
    """[queries, limit]; -inf where there are no more."""

    @classmethod
    def of(cls, found: Sequence[Sequence[Any]], limit: int) -> Hits:
        """From the points a Qdrant engine returned, which have `id` and `score`."""
        items = np.full((len(found), limit), -1, np.int64)
        scores = np.full((len(found), limit), -np.inf, np.float32)
        for row, points in enumerate(found):
            items[row, : len(points)] = [point.id for point in points]
            scores[row, : len(points)] = [point.score for point in points]
        order = np.lexsort((items, -scores), axis=1)
        return cls(np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1))


@dataclass(frozen=True)
class Layout:
    """How a collection is built."""

    widths: Mapping[str, int]
    """Width of each named vector."""
    graph: bool
    """Build an HNSW graph; without one every search is exact."""
    ef_construct: ClassVar[int] = 200
    full_scan_threshold: ClassVar[int] = 1000

    @property
    def m(self) -> int:
        """Links of an item in the graph."""
        return 32 if self.graph else 0


class Collection(Protocol):
    """One set of points: each item that can be recommended, under its number."""

    name: str
    ef: int | None
    """`ef` that searches of this collection need for their recall; None: they are exact."""

    def count(self, conditions: Conditions = EVERYTHING) -> int: ...

    def search(self, using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None) -> Hits:
        """The `limit` best items of each vector [queries, width] by the named vector `using`."""
        ...

    def vectors(self, using: str, items: Sequence[int]) -> dict[int, Floats]:
        """The stored vector of each of these items that is there."""
        ...

    def payloads(self, items: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The payload of each of these items that is there."""
        ...


class Draft(Protocol):
    """A collection that nobody sees yet."""

    def upload(self, items: Int64s, vectors: Mapping[str, Floats], payloads: Sequence[dict[str, Any]]) -> None: ...

    def build(self) -> Collection:
        """Finish what searching needs after the last upload, and open the result."""
        ...

    def finish(self, ef: int | None) -> None:
        """Make it ready, whole and for good; without this the draft vanishes."""
        ...


class Index(Protocol):
    """All collections behind one alias."""

    alias: str

    def ready(self) -> list[str]:
        """Names of the finished collections, oldest first."""
        ...

    def live(self) -> str | None:
        """The collection that readers use."""
        ...

    def draft(self, name: str, layout: Layout) -> AbstractContextManager[Draft]: ...

    def open(self, name: str | None = None) -> Collection:
        """Open a collection for searching, the live one by default.

        Raises:
            IndexStoreError: nothing is published yet, or it cannot be opened.
        """
        ...

    def switch(self, name: str) -> None:
        """Let readers use `name`, in one step."""
        ...

    def drop(self, name: str) -> None: ...

    def clean(self) -> None:
        """Remove what publishes that were stopped left behind."""
        ...


def chosen_name(index: Index, name: str | None) -> str:
    """The collection of that name, else the live one.

    Raises:
        IndexStoreError: nothing is published yet.
    """
    if chosen := name or index.live():
        return chosen
    raise IndexStoreError("No index is published yet: run `colisten run` or `colisten index publish` first.")


def engine_error(said: str, otherwise: str) -> IndexStoreError:
    """What to raise where an engine refuses with the words `said`; `otherwise` where nothing better is known of it."""
    if _NO_SUCH_VECTOR in said:
        otherwise = "The live index was published by an older Colisten and lacks vectors: run `colisten index publish`."
    return IndexStoreError(otherwise)


def new_name(alias: str, taken: Sequence[str]) -> str:
    """A name that sorts after all those of earlier publishes: the alias and the time, UTC, to the millisecond."""
    while (name := f"{alias}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"[:-3]) <= max(taken, default=""):
        pass
    return name


def is_name(alias: str, name: str) -> bool:
    """Was `name` made by `new_name` for this alias?"""
    return re.fullmatch(re.escape(alias) + r"-\d{8}T\d{9}", name) is not None
