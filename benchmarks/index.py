"""The embedded index at the paper's size: `python benchmarks/index.py [ITEMS [WIDTH [KIND …]]]`.

Time to publish, bytes on disk, milliseconds of a search (the median of single queries for 100 items, with and without
filters, the kinds taking turns, each query asked before), and recall of the true best 100 against exact scoring in
NumPy. A KIND is `exact` search, search of `int8` vectors whose best are scored by the vectors themselves, an HNSW
`graph` of the `ef` that the probe at publishing found enough, or a `graph-int8` of both. And the memory (PSS, in MB)
that a process of its own gains by opening the collection, by the first search, and by all of them, by vectors of users
and of texts.

WIDTH is that of the `towers` vectors, 128 in the paper and 131 at most in ours. Queries are as those of users: longer
than the vectors of items, and their last number, of demand, a multiple of any of an item's.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from colisten.arrays import Bools, Floats, Int64s
from colisten.progress import Progress
from colisten.serving.index.collection import EVERYTHING, Collection, Conditions, new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import publish_items

TOP, QUERIES, CLUSTERS = 100, 100, 500
DEMAND = 3.4
"""The number of demand in the vectors of users, of a world of 250,000 items; the others were .6 at most."""
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


def user_vectors(rng: np.random.Generator, users: int, width: int) -> Floats:
    found = 3 * vectors(rng, users, width)
    found[:, -1] = DEMAND
    return found


def chosen(table: pl.DataFrame, conditions: Conditions) -> Bools:
    kept = pl.Series(np.ones(len(table), bool))
    if conditions.item_types:
        kept &= table["item_type"].is_in(conditions.item_types)
    if conditions.languages:
        kept &= table["language"].is_in(conditions.languages)
    if conditions.genres:
        kept &= table["genres"].list.contains(conditions.genres[0])
    return kept.to_numpy()


def timed(collection: Collection, query: Floats, top: int, conditions: Conditions) -> tuple[Int64s, float]:
    """Items found, and milliseconds."""
    begin = time.perf_counter()
    hits = collection.search("towers", query[None], top, conditions, collection.ef)
    return hits.items[0], 1000 * (time.perf_counter() - begin)


def measured(collections: Mapping[str, Collection], whole: PublishedItems, queries: Floats) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, conditions in CONDITIONS.items():
        mask = chosen(whole.table, conditions)
        scores = np.where(mask, queries @ whole.vectors["towers"].T, -np.inf)
        top = min(TOP, int(mask.sum()))
        best = np.argpartition(-scores, top - 1, axis=1)[:, :top]
        for _ in range(2):  # the first time, pages of files are met for the first time
            answers = [{kind: timed(c, query, top, conditions) for kind, c in collections.items()} for query in queries]
        out[name] = {"items": int(mask.sum())}
        for kind in collections:
            taken = [answer[kind][1] for answer in answers]
            shared = [len(np.intersect1d(a, answer[kind][0])) / top for a, answer in zip(best, answers, strict=True)]
            out[name][kind] = {
                "recall@100": round(float(np.mean(shared)), 4),
                "ms, median": round(float(np.median(taken)), 1),
                "ms, 95 %": round(float(np.quantile(taken, 0.95)), 1),
            }
    return out


def gained(folder: Path, using: str, queries: Floats) -> list[int]:
    """MB of memory (PSS) that this process has more after opening, after the first search, and after all."""
    process = psutil.Process()
    before = process.memory_full_info().pss
    collection = EmbeddedIndex(folder, "colisten").open()
    held = [process.memory_full_info().pss]
    for query in queries:
        collection.search(using, query[None], TOP, EVERYTHING, collection.ef)
        held.append(process.memory_full_info().pss)
    return [round((now - before) / 2**20) for now in (held[0], held[1], held[-1])]


def published(folder: Path, whole: PublishedItems, queries: Floats, kind: str) -> tuple[Collection, dict[str, Any]]:
    """The collection, and what it costs."""
    index = EmbeddedIndex(folder, "colisten")
    begin = time.perf_counter()
    with Progress() as progress:
        publish_items(
            index, new_name(index.alias, []), whole, progress, exact_up_to=0 if "graph" in kind else len(whole),
            keep=1, int8="int8" in kind,
        )  # fmt: skip
    seconds = round(time.perf_counter() - begin, 1)
    asked = {"towers": queries, "text": whole.vectors["text"][:QUERIES]}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {using: pool.apply(gained, (folder, using, some)) for using, some in asked.items()}
    blocks = sum(path.stat().st_blocks for path in folder.rglob("*"))  # files have holes
    collection = index.open()
    costs = {"publish, s": seconds, "ef": collection.ef, "MB on disk": round(512 * blocks / 1e6), "MB, PSS": memory}
    return collection, costs


def main(items: str = "250000", width: str = "128", *kinds: str) -> None:
    whole = published_items(int(items), int(width))
    queries = user_vectors(np.random.default_rng(1), QUERIES, int(width))
    with tempfile.TemporaryDirectory() as scratch:
        found = {kind: published(Path(scratch) / kind, whole, queries, kind) for kind in kinds or ("exact",)}
        figures = {"items": len(whole), "width": int(width)} | {kind: costs for kind, (_, costs) in found.items()}
        collections = {kind: collection for kind, (collection, _) in found.items()}
        print(json.dumps(figures | measured(collections, whole, queries), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
