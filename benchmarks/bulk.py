"""The cost of bulk answers: `python benchmarks/bulk.py [ITEMS [USERS [K [HISTORY [TOPIC]]]]]`.

ITEMS items with vectors as wide as ours, in half precision, in topics of TOPIC items; each is predicted from 22 others
of its topic, and users have heard HISTORY items of three topics, popular ones more often. Users a second (medians of
three turns, the ways taking turns) by

- `bare`: torch's product of the users' vectors with single-precision item vectors in memory, and its top-k: dense
  scores alone, nothing excluded, by blocks of as many items as are fastest here;
- `ours`: what `recommend --users` does for those vectors: products of blocks, sparse scores added, what was heard left
  out, the best scored again in one order;
- `ours, sums too`: and the sparse scores summed from the histories, which is a part of encoding a user;
- `index, together` and `index, each`: as `ours`, from the embedded index, 256 users a call and one.

`ours` is checked to answer what the index does. Below: from how many users on blocks take less time than searches.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.answers import WIDTH, published, some_vectors
from benchmarks.small_world import print_table
from colisten.arrays import Int64s
from colisten.listening.pairs import UserItemPairs
from colisten.ragged import distinct, offsets
from colisten.serving import ranking
from colisten.serving.eligible import Eligible
from colisten.serving.index.collection import EVERYTHING
from colisten.serving.payload_index import PayloadIndex
from colisten.serving.ranking import ExcludedItems, ItemSource, Ranked, rank
from colisten.towers.item_matrix import ItemMatrix, summed_rows
from colisten.towers.user_vectors import UserVectors

_PREDICTORS, _TOPICS, _TURNS, _ALONE = 22, 3, 3, 64
_ITEMS_AT_ONCE = (8192, 65536, 1 << 30)
_USERS_AT_ONCE = 1024
_BLOCKS, _INDEX = 1, 1 << 60
"""Users from which on blocks are multiplied."""


def of_topics(rng: np.random.Generator, topics: Int64s, each: int, size: int) -> Int64s:
    """[topics, each] items of these topics, popular ones more often (Zipf)."""
    share = 1 / np.arange(20, size + 20)
    return topics[:, None] * size + rng.choice(size, (len(topics), each), p=share / share.sum())


def some_weights(rng: np.random.Generator, items: int, size: int) -> ItemMatrix:
    keys = distinct((of_topics(rng, np.arange(items) // size, _PREDICTORS, size) % items * items).ravel() + np.repeat(
        np.arange(items), _PREDICTORS
    ))  # fmt: skip
    source, target = np.divmod(keys, items)
    weights = rng.random(len(keys), dtype=np.float32)
    return ItemMatrix(offsets(np.bincount(source, minlength=items)), target.astype(np.int32), weights)


def bare(users: torch.Tensor, items: torch.Tensor, k: int, at_once: int) -> None:
    """Products of blocks, the best of each block, and of those the best."""
    for some in torch.split(users, _USERS_AT_ONCE):
        tops = [(some @ block.T).topk(min(k, len(block)), dim=1) for block in torch.split(items, at_once)]
        torch.cat([top.values for top in tops], dim=1).topk(k, dim=1)


def seconds(way: Callable[[], object]) -> float:
    begin = time.perf_counter()
    way()
    return time.perf_counter() - begin


def main(
    items: str = "200000", users: str = "2048", best: str = "100", history: str = "40", topic: str = "500"
) -> None:
    rng, count, people, k, size = np.random.default_rng(0), int(items), int(users), int(best), int(topic)
    matrix = some_weights(rng, count, size)
    vectors, dense = some_vectors(rng, count, WIDTH), some_vectors(rng, people, WIDTH) * 3
    chosen = rng.integers(0, count // size, people * _TOPICS)
    heard = of_topics(rng, chosen, 1 + int(history) // _TOPICS, size).reshape(people, -1)
    owners, heard_items = np.divmod(distinct((np.arange(people)[:, None] * count + heard).ravel()), count)
    with tempfile.TemporaryDirectory() as scratch:
        collection, whole, _ = published(Path(scratch), count, vectors, None)
        index, halves = PayloadIndex(whole.inverted_lists()), vectors.astype(np.float16)
        source, eligible = ItemSource(collection, halves), Eligible(index, EVERYTHING)
        summed = summed_rows(people, [(matrix, UserItemPairs(owners, heard_items))])
        everybody, excluded = UserVectors(dense, summed), ExcludedItems(owners, heard_items)

        def answer(many: int, some: Int64s) -> Ranked:
            with patch.object(ranking, "_MANY", many):
                return rank(source, everybody.take(some), excluded.take(some), k, [eligible])[0]

        def sums_too(some: Int64s) -> Ranked:
            summed_rows(people, [(matrix, UserItemPairs(owners, heard_items))])
            return answer(_BLOCKS, some)

        ids = np.arange(people)
        few = ids[:: max(1, people // _ALONE)]
        np.testing.assert_array_equal(answer(_BLOCKS, few).items, answer(_INDEX, few).items)
        tensor, wide = torch.from_numpy(dense), torch.from_numpy(vectors)
        block = min(_ITEMS_AT_ONCE, key=lambda size: seconds(lambda: bare(tensor, wide, k, size)))
        ways: dict[str, tuple[int, Callable[[], object]]] = {
            "bare": (people, lambda: bare(tensor, wide, k, block)),
            "ours": (people, lambda: answer(_BLOCKS, ids)),
            "ours, sums too": (people, lambda: sums_too(ids)),
            "index, together": (people, lambda: answer(_INDEX, ids)),
            "index, each": (len(few), lambda: [answer(_INDEX, few[[one]]) for one in range(len(few))]),
        }
        taken = [{name: seconds(way) for name, (_, way) in ways.items()} for _ in range(_TURNS)]
        rate = {name: of / median(turn[name] for turn in taken) for name, (of, _) in ways.items()}
        print(f"{count:,} items, of which a user's history reaches {len(summed.keys) / people:,.0f} by sparse scores")
        print_table([{"way": n, "users/s": round(r), "× bare": f"{r / rate['bare']:.2f}"} for n, r in rate.items()])
        for at_once in (1, 2, 4, 8, 16, 32, 64):
            asked = partial(answer, some=ids[:at_once])
            by = [median(seconds(partial(asked, way)) for _ in range(5)) for way in (_BLOCKS, _INDEX)]
            print(f"{at_once} users: blocks {1000 * by[0]:.1f} ms, index {1000 * by[1]:.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:6])
