"""How the candidates of item–item weights grow: `python benchmarks/candidates.py [ITEMS ...]`, 50,000 100,000 200,000.

A quarter of the items are of the target type; as many users as items, 40 streamed items each, popular ones more often,
near ones of one out of many circles. Texts are vectors whose spread falls from direction to direction and whose
cosines (about .5 to the nearest, .3 to the hundredth) are those of 8,000 real descriptions.

Processor seconds (of all threads, so that a busy machine hardly disturbs them) of the nearest texts, looked up once a
training, and of a pass over all items; the slope between sizes (1: time doubles as items do); recall of the nearest
texts against comparing all, on a sample, the worse of the two kinds.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.listening.histories import UserHistories
from colisten.progress import Progress
from colisten.towers.linear.candidates import NEAR_TEXTS, candidate_pool, near_texts
from colisten.towers.linear.interactions import Interactions

WIDTH, STREAMED, CIRCLE, AT_ONCE = 384, 40, 500, 1 << 14
LIKENESS = ((CIRCLE, 0.3), (10, 0.15), (1, 0.55))
"""Items whose texts share a part, and how much of the whole that is."""
QUIET = Progress(quiet=True)


def made_up(items: int) -> tuple[Interactions, Floats]:
    """Interactions, and texts [items, width]."""
    rng = np.random.default_rng(0)
    circles = max(1, items // CIRCLE)
    share = (1 / np.arange(20, items + 20)) ** 0.8
    popular = rng.permutation(share / share.sum())
    near = rng.integers(0, circles, items)[:, None] + circles * rng.integers(0, CIRCLE, (items, STREAMED // 2))
    drawn = np.concatenate([near % items, rng.choice(items, (items, STREAMED // 2), p=popular)], axis=1)
    events = drawn.astype(np.int32).ravel()
    nothing = np.zeros(events.size, np.uint8), np.full(events.size, -1)
    heard = UserHistories(np.arange(items + 1) * STREAMED, events, *nothing, {})
    place, text = rng.permutation(items), np.zeros((items, WIDTH), np.float32)
    for size, part in LIKENESS:
        shared = rng.standard_normal((-(-items // size), WIDTH), dtype=np.float32)
        text += np.float32(part**0.5) * shared[place // size]
    text *= np.arange(1, WIDTH + 1, dtype=np.float32) ** -0.35
    return Interactions.of(heard, items, 1), text / np.linalg.norm(text, axis=1, keepdims=True)


def _recall(near: Int32s, text: Floats, among: Int64s) -> float:
    sample = np.arange(0, len(text), len(text) // 100)
    exact = among[np.argsort(-(text[sample] @ text[among].T), axis=1)[:, :NEAR_TEXTS]]
    return float(np.mean([np.isin(row, near[item]).mean() for item, row in zip(sample, exact, strict=True)]))


def main(sizes: list[int]) -> None:
    rows: list[dict[str, float]] = []
    for items in sizes:
        heard, text = made_up(items)
        is_target = np.arange(items) % 4 == 0
        begin = time.process_time()
        near = near_texts(text, is_target, QUIET)
        middle = time.process_time()
        for first in range(0, items, AT_ONCE):
            candidate_pool(heard, text, near, np.arange(items)[first : first + AT_ONCE], is_target, QUIET)
        end = time.process_time()
        recall = min(_recall(near.items, text, np.flatnonzero(kind)) for kind in (is_target, ~is_target))
        row = {
            "items": items,
            "CPU s, nearest texts": round(middle - begin, 1),
            "CPU s, a pass": round(end - middle, 1),
            "recall": round(recall, 3),
        }
        if rows:
            spent = (end - begin) / (rows[-1]["CPU s, nearest texts"] + rows[-1]["CPU s, a pass"])
            row["slope"] = round(float(np.log(spent) / np.log(items / rows[-1]["items"])), 2)
        rows.append(row)
        print(json.dumps(row | {"peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}), flush=True)


if __name__ == "__main__":
    main([int(word.replace(",", "")) for word in sys.argv[1:]] or [50_000, 100_000, 200_000])
