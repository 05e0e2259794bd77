"""A third back end, in NumPy and in memory: written from the protocol and the layout alone, it knows no Qdrant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.errors import IndexStoreError
from colisten.serving.index.collection import EVERYTHING, Conditions, Hits, SparseRows, chosen_name
from colisten.serving.index.layout import VECTORS, Layout


class NumpyCollection:
    """Draft and collection in one."""

    def __init__(self, name: str, layout: Layout) -> None:
        self.name = name
        self.ef: int | None = None
        self.finished = False
        self._items = np.empty(0, np.int64)
        self._vectors = {vector: np.empty((0, width), np.float32) for vector, width in layout.widths.items()}
        self._payloads: list[dict[str, Any]] = []

    def upload(
        self,
        items: Int64s,
        vectors: Mapping[str, Floats],
        sparse: Mapping[str, SparseRows],
        payloads: Sequence[dict[str, Any]],
    ) -> None:
        assert {name: len(rows) for name, rows in sparse.items()} == dict.fromkeys(sparse, len(items))
        self._items = np.concatenate([self._items, items])
        self._payloads += payloads
        for name, rows in vectors.items():
            stored = _unit(rows) if VECTORS[name].metric == "cosine" else rows
            self._vectors[name] = np.concatenate([self._vectors[name], stored])

    def build(self) -> NumpyCollection:
        return self

    def finish(self, ef: int | None) -> None:
        self.ef = ef
        self.finished = True

    def count(self, conditions: Conditions = EVERYTHING) -> int:
        return int(self._mask(conditions).sum())

    def search(self, using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None) -> Hits:
        stored = self._vectors[using]
        if vectors.shape[1] != stored.shape[1]:
            raise IndexStoreError(
                f"The {using} vectors have {stored.shape[1]} dimensions, the query {vectors.shape[1]}."
            )
        queries = _unit(vectors) if VECTORS[using].metric == "cosine" else vectors
        scores = np.where(self._mask(conditions), queries @ stored.T, -np.inf)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :limit]
        padding = ((0, 0), (0, limit - best.shape[1]))
        found = np.pad(np.take_along_axis(scores, best, axis=1), padding, constant_values=-np.inf)
        items = np.pad(self._items[best], padding, constant_values=-1)
        return Hits(np.where(np.isneginf(found), -1, items), found.astype(np.float32))

    def vectors(self, using: str, items: Sequence[int]) -> dict[int, Floats]:
        return {item: self._vectors[using][row] for item, row in self._rows(items)}

    def payloads(self, items: Sequence[int]) -> dict[int, dict[str, Any]]:
        return {item: self._payloads[row] for item, row in self._rows(items)}

    def _rows(self, items: Sequence[int]) -> Iterator[tuple[int, int]]:
        row_of = {item: row for row, item in enumerate(self._items.tolist())}
        return ((item, row_of[item]) for item in items if item in row_of)

    def _mask(self, conditions: Conditions) -> Bools:
        mask = np.ones(len(self._items), np.bool_)
        for field, allowed in conditions.fields():
            values = (payload.get(field) for payload in self._payloads)
            mask &= [bool(set(value if isinstance(value, list) else [value]) & set(allowed)) for value in values]
        if conditions.items is not None:
            mask &= [item in conditions.items for item in self._items.tolist()]
        return mask


class NumpyIndex:
    """All collections behind one alias."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._collections: dict[str, NumpyCollection] = {}
        self._live: str | None = None

    def ready(self) -> list[str]:
        return sorted(self._collections)

    def live(self) -> str | None:
        return self._live

    @contextmanager
    def draft(self, name: str, layout: Layout) -> Iterator[NumpyCollection]:
        draft = NumpyCollection(name, layout)
        yield draft
        if draft.finished:
            self._collections[name] = draft

    def open(self, name: str | None = None) -> NumpyCollection:
        return self._collections[chosen_name(self, name)]

    def switch(self, name: str) -> None:
        self._live = name

    def drop(self, name: str) -> None:
        del self._collections[name]

    def clean(self) -> None:
        """A draft is nowhere but in its own `with` block."""


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit
