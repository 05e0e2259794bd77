"""The protocol of an index back end: collections of item vectors that are searched, drafted, switched and dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.errors import IndexStoreError
from colisten.serving.index.layout import FILTERED_FIELDS, Layout


class SilentServerError(IndexStoreError):
    """A server of an index takes requests and does not answer."""


@dataclass(frozen=True)
class Conditions:
    """A filter: an item must have one of the allowed values in every field that has any, and be listed if any are."""

    item_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    items: frozenset[int] | None = None
    """Numbers of the only items to look at; None: all."""

    def fields(self) -> Iterator[tuple[str, list[str]]]:
        """Payload field and its allowed values, for each field that is filtered."""
        for field, values in zip(FILTERED_FIELDS, (self.item_types, self.languages, self.genres), strict=True):
            if values:
                yield field, list(values)


EVERYTHING = Conditions()


@dataclass(frozen=True)
class Hits:
    """The top items of each query, best first, equal scores by item number."""

    items: Int64s
    """[queries, limit]; -1 where there are no more."""
    scores: Floats
    """[queries, limit]; -inf where there are no more."""

    @classmethod
    def none(cls, queries: int, limit: int) -> Self:
        """No hit of any query."""
        return cls(np.full((queries, limit), -1, np.int64), np.full((queries, limit), -np.inf, np.float32))


SparseRows = Sequence[tuple[Int32s, Floats]]
"""Indices and values of the sparse vector of each item."""


class Collection(Protocol):
    """One set of points: each item that can be recommended, under its number."""

    name: str
    ef: int | None
    """The `ef` of HNSW searches that gave enough recall when this was published; None: searches are exact."""

    def count(self, conditions: Conditions = EVERYTHING) -> int: ...

    def search(self, using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None) -> Hits:
        """The `limit` items nearest to each query vector, by the metric of a named vector.

        Args:
            using: name of the vector, as in `layout.VECTORS`.
            vectors: float32 [queries, width].
            limit: items per query.
            conditions: which items to search.
            ef: candidates kept by an HNSW search; None: search exactly.

        Raises:
            IndexStoreError: the collection has no such vector, or one of another width.
        """
        ...

    def vectors(self, using: str, items: Sequence[int]) -> dict[int, Floats]:
        """The named vector, float32 [width], of each of these items that is there; normalised if its metric is cosine.

        Raises:
            IndexStoreError: the collection has no such vector.
        """
        ...

    def payloads(self, items: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The payload of each of these items that is there."""
        ...


class Draft(Protocol):
    """A collection being written, which no reader sees yet."""

    def upload(
        self,
        items: Int64s,
        vectors: Mapping[str, Floats],
        sparse: Mapping[str, SparseRows],
        payloads: Sequence[dict[str, Any]],
    ) -> None:
        """Add items: their numbers [n], each named vector float32 [n, width], `n` rows of each sparse vector, and `n`
        payloads."""
        ...

    def build(self) -> Collection:
        """Build what searches need after the last upload, and open the result."""
        ...

    def finish(self, ef: int | None) -> None:
        """Mark it complete, to be searched with `ef`; a draft that is never finished is removed."""
        ...


class Index(Protocol):
    """All collections behind one alias."""

    alias: str

    def ready(self) -> list[str]:
        """Names of the finished collections, oldest first."""
        ...

    def live(self) -> str | None:
        """The collection that the alias points to."""
        ...

    def draft(self, name: str, layout: Layout) -> AbstractContextManager[Draft]:
        """Begin a new collection; leaving the context without `finish` removes it."""
        ...

    def open(self, name: str | None = None) -> Collection:
        """Open a collection for searching, the live one by default.

        Raises:
            IndexStoreError: nothing is published yet, or it cannot be opened.
        """
        ...

    def switch(self, name: str) -> None:
        """Point the alias to `name`, atomically."""
        ...

    def drop(self, name: str) -> None: ...

    def clean(self) -> None:
        """Remove the drafts of interrupted publishes, and what is damaged."""
        ...


def chosen_name(index: Index, name: str | None) -> str:
    """The collection of that name, else the live one.

    Raises:
        IndexStoreError: nothing is published yet.
    """
    if chosen := name or index.live():
        return chosen
    raise IndexStoreError("No index is published yet: run `colisten run` or `colisten index publish` first.")


def new_name(alias: str, taken: Sequence[str]) -> str:
    """A name that sorts after those of earlier publishes: the alias and the time, UTC, to the millisecond."""
    while (name := f"{alias}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"[:-3]) <= max(taken, default=""):
        pass
    return name


def is_name(alias: str, name: str) -> bool:
    """Was `name` made by `new_name` for this alias?"""
    return re.fullmatch(re.escape(alias) + r"-\d{8}T\d{9}", name) is not None
