"""Does a new collection find what an exact search finds? Measured before anybody uses it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from colisten.arrays import Bools, Floats
from colisten.errors import IndexStoreError
from colisten.progress import Progress
from colisten.serving.index.collection import EVERYTHING, Collection, Conditions
from colisten.serving.published_items import PublishedItems

RECALL = 0.99
"""Least share of the best `TOP` that a search must return, on average over the probe and for each filter."""
TOP = 100
_QUERIES = 32
_EFS = (128, 256, 512, 1024)


def probe(collection: Collection, catalogue: PublishedItems, *, graph: bool, progress: Progress) -> int | None:
    """Check counts and recall; returns the least breadth of search that suffices, None for exact search.

    Raises:
        IndexStoreError: points are missing, or even an exact search does not find what it should.
    """
    conditions = [EVERYTHING, *_by_type(catalogue)]
    for condition in conditions:
        expected, found = int(_mask(catalogue, condition).sum()), collection.count(condition)
        if expected != found:
            raise IndexStoreError(
                f"The new index holds {found:,} of {expected:,} items{_words(condition)}: "
                "the one before stays in use; publish again."
            )
    searched = conditions[:1] + conditions[1:3] + conditions[-1:]
    efs: tuple[int | None, ...] = (*_EFS, None) if graph else (None,)
    for ef in efs:
        worst = min(_recall(collection, catalogue, c, ef, name) for c in searched for name in catalogue.vectors)
        progress.say(f"  recall@{TOP} of the new index, breadth {ef or 'exact'}: {worst:.3f}")
        if worst >= RECALL:
            return ef
    raise IndexStoreError(
        f"The new index finds only {worst:.1%} of what an exact search finds: "
        "the one before stays in use; publish again."
    )


def _by_type(catalogue: PublishedItems) -> Iterator[Conditions]:
    """One condition for each item type, most items first."""
    for name in catalogue.table["item_type"].value_counts(sort=True)["item_type"]:
        yield Conditions(item_types=(name,))


def _recall(
    collection: Collection, catalogue: PublishedItems, condition: Conditions, ef: int | None, name: str
) -> float:
    """Share of returned items that are as good as the worst of the true best: ties count, doubles do not."""
    vectors = catalogue.vectors[name]
    queries = _queries(vectors)
    chosen = _mask(catalogue, condition)
    top = min(TOP, int(chosen.sum()))
    if not top:
        return 1.0
    scale = 1.0 if name == "towers" else np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)
    exact = np.where(chosen, queries @ vectors.T / scale, -np.inf)
    least = -np.partition(-exact, top - 1, axis=1)[:, top - 1]
    hits = collection.search(name, queries, top, condition, ef)
    places = np.searchsorted(catalogue.items, hits.items.clip(min=0))
    scores = np.take_along_axis(exact, places.clip(max=len(catalogue) - 1), axis=1)
    good = (hits.items >= 0) & (scores >= least[:, None] - 1e-5 * (1 + np.abs(least[:, None])))
    ordered = np.sort(hits.items, axis=1)
    doubles = (np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)
    return float((good.sum() - doubles.sum()) / (len(queries) * top))


def _queries(vectors: Floats) -> Floats:
    """Some items' own vectors, and as many random directions of the same length."""
    rng = np.random.default_rng(0)
    own = vectors[rng.integers(0, len(vectors), _QUERIES)]
    drawn = rng.standard_normal(own.shape, dtype=np.float32)
    length = np.linalg.norm(own, axis=1, keepdims=True) / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.concatenate([own, drawn * length])


def _mask(catalogue: PublishedItems, condition: Conditions) -> Bools:
    if not condition.item_types:
        return np.ones(len(catalogue), np.bool_)
    return catalogue.table["item_type"].is_in(condition.item_types).to_numpy()


def _words(condition: Conditions) -> str:
    return f" of type {condition.item_types[0]}" if condition.item_types else ""
