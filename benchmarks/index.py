"""The embedded index at the paper's size: `python benchmarks/index.py [ITEMS [WIDTH [graph]]]`.

Time to publish, milliseconds of a search (the median of single queries for 100 items, with and without filters), and
recall of the true best 100 against exact scoring in NumPy: by exact search, or by an HNSW graph of the `ef` that the
probe at publishing found enough. WIDTH is that of the `towers` vectors, 128 in the paper; ours are wider by the rank of
the item–item weights.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colisten.arrays import Bools, Floats
from colisten.progress import Progress
from colisten.serving.index.collection import EVERYTHING, Collection, Conditions, new_name
from colisten.serving.index.opening import open_index
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import publish_items
from colisten.settings import Settings
from colisten.workdir import Workdir

TOP, QUERIES, CLUSTERS = 100, 100, 500
LANGUAGES, GENRES = ("en", "de", "es", "fr"), tuple(f"genre {place}" for place in range(40))
CONDITIONS = {
    "no filter": EVERYTHING,
    "one type": Conditions(item_types=("audiobook",)),
    "type and language": Conditions(item_types=("audiobook",), languages=("de",)),
    "type, language, genre": Conditions(item_types=("audiobook",), languages=("de",), genres=("genre 3",)),
}


def vectors(rng: np.random.Generator, items: int, width: int) -> Floats:
    """Weakly clustered directions, as towers make them."""
    centres = rng.normal(size=(CLUSTERS, width)).astype(np.float32)
    found = centres[rng.integers(0, CLUSTERS, items)] + rng.normal(size=(items, width)).astype(np.float32)
    unit: Floats = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def published_items(items: int, width: int) -> PublishedItems:
    rng = np.random.default_rng(0)
    numbers = np.arange(items)
    table = pl.DataFrame({
        "item_id": [f"i{number}" for number in numbers],
        "item_type": np.where(rng.random(items) < 0.4, "audiobook", "podcast"),
        "title": [f"Title {number}" for number in numbers],
        "language": np.array(LANGUAGES)[rng.choice(4, items, p=(0.6, 0.2, 0.1, 0.1))],
        "genres": np.array(GENRES)[rng.integers(0, 40, items)],
        "popularity": rng.integers(0, 10_000, items),
    }).with_columns(pl.concat_list("genres"))  # fmt: skip
    widths = {"towers": width, "hgnn": 64, "text": 384}
    return PublishedItems(numbers, {name: vectors(rng, items, wide) for name, wide in widths.items()}, {}, table)


def chosen(table: pl.DataFrame, conditions: Conditions) -> Bools:
    kept = pl.Series(np.ones(len(table), bool))
    if conditions.item_types:
        kept &= table["item_type"].is_in(conditions.item_types)
    if conditions.languages:
        kept &= table["language"].is_in(conditions.languages)
    if conditions.genres:
        kept &= table["genres"].list.contains(conditions.genres[0])
    return kept.to_numpy()


def measured(collection: Collection, whole: PublishedItems, queries: Floats) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, conditions in CONDITIONS.items():
        mask = chosen(whole.table, conditions)
        scores = np.where(mask, queries @ whole.vectors["towers"].T, -np.inf)
        top = min(TOP, int(mask.sum()))
        best = np.argpartition(-scores, top - 1, axis=1)[:, :top]
        taken, found = [], []
        for query in queries:
            begin = time.perf_counter()
            hits = collection.search("towers", query[None], top, conditions, collection.ef)
            taken.append(1000 * (time.perf_counter() - begin))
            found.append(hits.items[0])
        recall = np.mean([len(np.intersect1d(*pair)) / top for pair in zip(best, found, strict=True)])
        figures = {"items": int(mask.sum()), "recall@100": round(float(recall), 4)}
        out[name] = figures | {
            "ms, median": round(float(np.median(taken)), 1),
            "ms, 95 %": round(float(np.quantile(taken, 0.95)), 1),
        }
    return out


def main(items: str = "250000", width: str = "128", kind: str = "exact") -> None:
    whole = published_items(int(items), int(width))
    queries = vectors(np.random.default_rng(1), QUERIES, int(width))
    with tempfile.TemporaryDirectory() as scratch, Progress() as progress:
        settings = Settings.load([f"qdrant.exact_up_to={0 if kind == 'graph' else items}"])
        index = open_index(Workdir.open(Path(scratch) / "W", create=True), settings)
        begin = time.perf_counter()
        publish_items(
            index, new_name(index.alias, []), whole, exact_up_to=settings.qdrant.exact_up_to, keep=settings.qdrant.keep,
            progress=progress,
        )  # fmt: skip
        seconds = round(time.perf_counter() - begin, 1)
        collection = index.open()
        figures = {"items": len(whole), "width": int(width), "publish, s": seconds, "ef": collection.ef}
        print(json.dumps(figures | measured(collection, whole, queries), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:4])
