"""Recall of a new collection against exact (brute-force) search, measured before it goes live."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from colisten.arrays import Bools, Floats
from colisten.errors import IndexStoreError
from colisten.progress import Progress
from colisten.serving.index.collection import EVERYTHING, Collection, Conditions
from colisten.serving.index.layout import VECTORS, Layout
from colisten.serving.published_items import PublishedItems

RECALL = 0.99
"""Least recall@TOP of a search, on average over the queries, for each named vector and each filter probed."""
TOP = 100
_QUERIES = 32


def probe(collection: Collection, published: PublishedItems, layout: Layout, progress: Progress) -> int | None:
    """Check counts and recall; returns the least `ef` with enough recall, None for exact search.

    Raises:
        IndexStoreError: points are missing, or even an exact search finds too little.
    """
    conditions = [EVERYTHING, *_by_type(published)]
    for condition in conditions:
        expected, found = int(_mask(published, condition).sum()), collection.count(condition)
        if expected != found:
            raise IndexStoreError(
                f"The new index holds {found:,} of {expected:,} items{_of_type(condition)}: "
                "the one before stays in use; publish again."
            )
    searched = conditions[:1] + conditions[1:3] + conditions[-1:]
    efs: tuple[int | None, ...] = (*layout.hnsw.efs, None) if layout.hnsw else (None,)
    scan = "search of int8 vectors" if layout.int8 and not layout.hnsw else "exact search"
    for ef in efs:
        worst = min(_recall(collection, published, layout, c, ef, name) for c in searched for name in layout.widths)
        progress.say(f"  recall@{TOP} of the new index, {f'ef {ef}' if ef else scan}: {worst:.3f}")
        if worst >= RECALL:
            return ef
    raise IndexStoreError(
        f"The new index finds only {worst:.1%} of what an exact search finds: "
        f"the one before stays in use; publish again{' with qdrant.quantization=none' if layout.int8 else ''}."
    )


def _by_type(published: PublishedItems) -> Iterator[Conditions]:
    """One filter per item type, most items first."""
    for name in published.table["item_type"].value_counts(sort=True)["item_type"]:
        yield Conditions(item_types=(name,))


def _recall(
    collection: Collection, published: PublishedItems, layout: Layout, condition: Conditions, ef: int | None, name: str
) -> float:
    """recall@TOP of searches by the vector `name`.

    A hit counts if its exact score reaches that of the worst of the true best, so ties count; duplicates do not.
    """
    vectors = published.vectors[name].astype(np.float32)
    dot = VECTORS[name].metric == "dot"
    queries = _queries(vectors, axes=dot and layout.int8 and ef is None)
    chosen = _mask(published, condition)
    top = min(TOP, int(chosen.sum()))
    if not top:
        return 1.0
    scale = 1.0 if dot else np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)  # a query's own length ranks nothing
    exact = np.where(chosen, queries @ vectors.T / scale, -np.inf)
    least = -np.partition(-exact, top - 1, axis=1)[:, top - 1]
    hits = collection.search(name, queries, top, condition, ef)
    places = np.searchsorted(published.items, hits.items.clip(min=0))
    scores = np.take_along_axis(exact, places.clip(max=len(published) - 1), axis=1)
    good = (hits.items >= 0) & (scores >= least[:, None] - 1e-5 * (1 + np.abs(least[:, None])))
    ordered = np.sort(hits.items, axis=1)
    duplicates = (np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)
    return float((good.sum() - duplicates.sum()) / (len(queries) * top))


def _queries(vectors: Floats, *, axes: bool) -> Floats:
    """Query vectors: those of some items, and as many random directions of the same length, in half precision: what
    the engine makes of them may not cost recall. And as many axes, if wanted, either way: users of whom one number
    says all, by which many items round to the same int8 score."""
    rng = np.random.default_rng(0)
    own = vectors[rng.integers(0, len(vectors), _QUERIES)]
    drawn = rng.standard_normal(own.shape, dtype=np.float32)
    length = np.linalg.norm(own, axis=1, keepdims=True) / np.linalg.norm(drawn, axis=1, keepdims=True)
    chosen = np.eye(vectors.shape[1], dtype=np.float32)[rng.integers(0, vectors.shape[1], _QUERIES if axes else 0)]
    chosen[::2] *= -1
    return np.concatenate([own, drawn * length, chosen]).astype(np.float16).astype(np.float32)


def _mask(published: PublishedItems, condition: Conditions) -> Bools:
    if not condition.item_types:
        return np.ones(len(published), np.bool_)
    return published.table["item_type"].is_in(condition.item_types).to_numpy()


def _of_type(condition: Conditions) -> str:
    return f" of type {condition.item_types[0]}" if condition.item_types else ""
