"""The cost of one answer by dense and sparse scores: `python benchmarks/answers.py [ITEMS [HISTORY [PREDICTORS]]]`.

ITEMS items of two types with vectors as wide as ours, each predicted from PREDICTORS others; users with HISTORY items,
popular ones more often. Milliseconds of the 10 best (medians over users, the ways taking turns) by

- `ours`: `serving.ranking`, the history's rows summed, one dense search, NumPy for what the rows may bring in front;
- `has_id`: the same, but the engine scores all items of the summed rows by a second query with a `has_id` filter;
- `low rank`: one dense search alone, over float32 vectors as wide as with the weights cut to what 64 MB hold (at most
  1,024 directions, at least 128), which answers something else.

All three on the embedded engine; the first two are checked to answer the same. The memory (PSS), in MB, that a
process of its own gains by opening what `ours` and `low rank` need, and answering all users. And the seconds to publish
the vectors of either: dense and sparse ones, or wide dense ones alone.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl
import psutil
import qdrant_edge as edge
from safetensors.numpy import save_file

from colisten.arrays import Floats, Int64s
from colisten.listening.pairs import UserItemPairs
from colisten.progress import Progress
from colisten.ragged import offsets
from colisten.serving.eligible import Eligible
from colisten.serving.index.collection import Conditions, new_name
from colisten.serving.index.embedded import EmbeddedCollection, EmbeddedIndex
from colisten.serving.index.layout import VECTORS, NamedVector
from colisten.serving.payload_index import PayloadIndex
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import publish_items
from colisten.serving.ranking import ExcludedItems, ItemSource, rank
from colisten.towers.item_matrix import ItemMatrix, summed_rows
from colisten.towers.tensors import mapped
from colisten.towers.user_vectors import UserVectors

WIDTH, USERS, K = 131, 100, 10
BOOKS = Conditions(item_types=("audiobook",))
QUIET = Progress(quiet=True)


def some_vectors(rng: np.random.Generator, count: int, width: int) -> Floats:
    found = rng.standard_normal((count, width), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float16).astype(np.float32)


def some_weights(rng: np.random.Generator, items: int, predictors: int, popular: Floats) -> ItemMatrix:
    """Each item is predicted from some others, popular ones more often: long rows, as in life."""
    sources = rng.choice(items, (items, predictors), p=popular)
    keys = np.unique(sources.ravel() * items + np.repeat(np.arange(items), predictors))
    source, target = np.divmod(keys, items)
    lengths = np.bincount(source, minlength=items)
    return ItemMatrix(offsets(lengths), target.astype(np.int32), rng.random(len(keys), dtype=np.float32))


def published(
    folder: Path, items: int, vectors: Floats, sparse: ItemMatrix | None
) -> tuple[EmbeddedCollection, PublishedItems, float]:
    """The collection, what is in it, and the seconds that publishing took."""
    types = np.where(np.arange(items) < items // 2, "audiobook", "podcast")
    table = pl.DataFrame({"item_id": [f"i{n}" for n in range(items)], "item_type": types})
    rows = {"linear": sparse.transposed(np.arange(items))} if sparse else {}
    whole = PublishedItems(np.arange(items), {"towers": vectors}, rows, table)
    index = EmbeddedIndex(folder, "colisten")
    begin = time.perf_counter()
    publish_items(index, new_name("colisten", index.ready()), whole, QUIET, exact_up_to=10**7, keep=1)
    return index.open(), whole, time.perf_counter() - begin


def by_has_id(collection: EmbeddedCollection, users: UserVectors, excluded: Int64s) -> list[float]:
    """Scores of the best, by a dense query and one over the items with a sparse score, of one user."""
    first = collection.search("towers", users.dense, K + len(excluded), BOOKS, None)
    sparse = dict(zip(users.sparse.items.tolist(), users.sparse.values.tolist(), strict=True))
    must: list[edge.ConditionType] = [
        edge.FieldCondition("item_type", match=edge.MatchAny(["audiobook"])), edge.HasIdCondition(set(sparse)),
    ]  # fmt: skip
    query = edge.Query.Nearest(users.dense[0], using="towers")
    request = edge.QueryRequest(
        limit=len(sparse), query=query, filter=edge.Filter(must=must), params=edge.SearchParams(exact=True)
    )
    scores = {int(i): float(s) for i, s in zip(first.items[0], first.scores[0], strict=True) if i >= 0}
    scores |= {int(point.id): point.score + sparse[int(point.id)] for point in collection._shard.query(request)}
    for item in excluded.tolist():
        scores.pop(item, None)
    return sorted(scores.values(), reverse=True)[:K]


def timed(way: Callable[[int], object], user: int) -> float:
    begin = time.perf_counter()
    way(user)
    return 1000 * (time.perf_counter() - begin)


def gained(folder: Path, heard: list[Int64s], users: Floats, *, low_rank: bool) -> float:
    """MB of memory (PSS) that this process has more after opening and answering."""
    process = psutil.Process()
    before = process.memory_full_info().pss
    collection = EmbeddedIndex(folder, "colisten").open()
    files = mapped(folder / "files.safetensors")
    for user, items in enumerate(heard):
        if low_rank:
            vector = np.concatenate([files["from_items"][items].sum(axis=0), users[user, : WIDTH - 2]])[None]
            collection.search("towers", vector, K + len(items), BOOKS, None)
        else:
            source = ItemSource(collection, files["vectors"])
            matrix = ItemMatrix(files["indptr"], files["items"], files["weights"])
            zeros = np.zeros(len(items), np.int64)
            vectors = UserVectors(users[[user]], summed_rows(1, [(matrix, UserItemPairs(zeros, items))]))
            rank(source, vectors, ExcludedItems(zeros, items), K, [Eligible(PayloadIndex(files), BOOKS)])
    return (process.memory_full_info().pss - before) / 2**20


def main(items: str = "60000", history: str = "300", predictors: str = "22") -> None:
    rng, count = np.random.default_rng(0), int(items)
    share = 1 / np.arange(20, count + 20)
    popular = rng.permutation(share / share.sum())
    matrix = some_weights(rng, count, int(predictors), popular)
    vectors = some_vectors(rng, count, WIDTH)
    users = some_vectors(rng, USERS, WIDTH) * 3
    heard = [np.sort(rng.choice(count, int(history), replace=False, p=popular)) for _ in range(USERS)]
    cut_width = 129 + min(1024, max(128, (1 << 26) // (4 * count)))
    cut = some_vectors(rng, USERS, cut_width)
    with tempfile.TemporaryDirectory() as scratch:
        collection, whole, ours_s = published(Path(scratch) / "a", count, vectors, matrix)
        with patch.dict(VECTORS, towers=NamedVector("dot")):
            wide, _, low_rank_s = published(Path(scratch) / "b", count, some_vectors(rng, count, cut_width), None)
        source = ItemSource(collection, vectors.astype(np.float16))
        books = Eligible(PayloadIndex(whole.inverted_lists()), BOOKS)

        def encoded(user: int) -> UserVectors:
            pairs = UserItemPairs(np.zeros(len(heard[user]), np.int64), heard[user])
            return UserVectors(users[[user]], summed_rows(1, [(matrix, pairs)]))

        def ours(user: int) -> Floats:
            excluded = ExcludedItems(np.zeros(len(heard[user]), np.int64), heard[user])
            return rank(source, encoded(user), excluded, K, [books])[0].scores

        ways: dict[str, Callable[[int], object]] = {
            "ours": ours,
            "has_id": lambda user: by_has_id(collection, encoded(user), heard[user]),
            "low rank": lambda user: wide.search("towers", cut[[user]], K + len(heard[user]), BOOKS, None),
        }
        rank_of_cut = some_vectors(rng, 2 * count, cut_width - WIDTH + 2)
        save_file({"from_items": rank_of_cut}, Path(scratch) / "b/files.safetensors")
        arrays = {"vectors": vectors.astype(np.float16), **vars(matrix), **whole.inverted_lists()}
        save_file(arrays, Path(scratch) / "a/files.safetensors")
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            memory = {
                name: round(pool.apply(gained, (Path(scratch) / folder, heard, users), {"low_rank": folder == "b"}))
                for name, folder in (("ours", "a"), ("low rank", "b"))
            }
        np.testing.assert_allclose(by_has_id(collection, encoded(3), heard[3]), ours(3), rtol=1e-4)
        taken = {name: [timed(way, user) for user in range(USERS)] for name, way in ways.items()}
        for user in range(USERS):
            for name, way in ways.items():
                taken[name].append(timed(way, user))
    reached = float(np.median([len(encoded(user).sparse.keys) for user in range(USERS)]))
    figures = {name: round(float(np.median(times[USERS:])), 2) for name, times in taken.items()}
    about = {"items": count, "weights": len(matrix.weights), "history": int(history), "items reached": reached}
    publishing = {"ours": round(ours_s, 1), "low rank": round(low_rank_s, 1)}
    costs = {"ms": figures, "MB": memory, "s to publish": publishing}
    print(json.dumps(about | {"width": WIDTH, "width, low rank": cut_width} | costs, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:4])
