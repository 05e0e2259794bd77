"""New items answered from their texts: how near that comes to what a run makes of them, and what it costs.

    python benchmarks/new_items.py W [--users 600] [--many 5000]

W is a working folder with a published index (`make demo`); a copy of it is used. Items of the target type that nobody
has heard, whose scores are the model's own, are told of once more under other ids, placed among the texts of all but
themselves. Compared are the two scores of each, over users and over items, and how many of the first ten places either
kind has where it is alone with what is heard. Then latencies of one user, with more and more new items.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from colisten.arrays import Floats
from colisten.listening.events.store import EventStore, TextPlace
from colisten.serving.index.layout import TEXT
from colisten.serving.profiles import RETIRED
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.workdir import Workdir

ASKED = 200
"""Questions of one user, of which the median is told."""


def tell(workdir: Workdir, recommender: Recommender, items: list[int], copies: int) -> None:
    """Tell of each of these items `copies` times, as of new ones."""
    texts = recommender.collection.vectors(TEXT, items)
    known = recommender.profiles.items(items)
    with EventStore.create(workdir.events) as store, store.transaction():
        for item in items:
            place = recommender.placer.place(known[item].item_type, texts[item])
            assert place
            others = {name: cosine for name, cosine in place.neighbours.items() if name != known[item].item_id}
            for copy in range(copies):
                words = {"item_type": known[item].item_type, "title": f"{known[item].title} {copy}"}
                store.put_words(f"new {copy} {item}", words, TextPlace(place.text, others))


def scores(recommender: Recommender, users: list[str], items: list[int]) -> Floats:
    """[users, items]"""
    size = len(recommender.profiles.type_of)
    ranked, _ = recommender.rank(users, Query(size, include_heard=True))
    found: Floats = np.full((len(users), size), np.nan, np.float32)
    found[ranked.users, ranked.items] = ranked.scores
    return found[:, items]


def share(mine: Floats, heard: Floats) -> float:
    """Of the first ten places."""
    both = np.concatenate([mine, heard], axis=1)
    return float((np.argsort(-both, axis=1)[:, :10] < mine.shape[1]).mean())


def latency(recommender: Recommender, users: list[str]) -> float:
    """Median milliseconds of a question."""
    taken = []
    for place in range(ASKED):
        began = time.perf_counter()
        recommender.recommend([users[place % len(users)]], Query())
        taken.append(time.perf_counter() - began)
    return 1000 * float(np.median(taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--many", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.workdir.parent) as folder:
        workdir = Workdir.open(
            Path(shutil.copytree(given.workdir, Path(folder) / "W", ignore=shutil.ignore_patterns("neo4j")))
        )
        workdir.events.unlink(missing_ok=True)
        settings = Settings.load([], kept=workdir.settings)
        with Recommender.open(workdir, settings) as recommender:
            profiles, users = recommender.profiles, recommender.profiles.user_ids()[: given.users]
            unheard = sorted(profiles.least_heard(settings.target, given.many).tolist())
            target = np.flatnonzero(recommender.encoder.is_target)
            heard = np.setdiff1d(target[profiles.type_of[target] != RETIRED], unheard).tolist()
            alone = latency(recommender, users)
            tell(workdir, recommender, unheard, 1)
            profiles.follow()
            new = [profiles.new.by_id[f"new 0 {item}"].number for item in unheard]
            found = scores(recommender, users, [*unheard, *new, *heard])
            own, placed, rest = np.split(found, [len(unheard), 2 * len(unheard)], axis=1)
            each = [np.corrcoef(own[:, i], placed[:, i])[0, 1] for i in range(len(unheard))]
            whose = [np.corrcoef(own[u], placed[u])[0, 1] for u in range(len(users))]
            print(f"{len(unheard):,} unheard of {len(target):,} items of the target, {len(users):,} users")
            print(f"correlation of scores: {np.mean(each):.2f} over users, {np.mean(whose):.2f} over items")
            print(
                f"share of the first ten places: {share(own, rest):.3f} by the model, {share(placed, rest):.3f} placed"
            )
            print(f"one user: {alone:.2f} ms without new items, {latency(recommender, users):.2f} with {len(new):,}")
            tell(workdir, recommender, unheard, given.many // len(unheard))
            began = time.perf_counter()
            recommender.recommend(users[:1], Query())
            first, count = 1000 * (time.perf_counter() - began), len(profiles.new.items)
            print(f"with {count:,}: {latency(recommender, users):.2f} ms, the first answer after they came {first:.0f}")


if __name__ == "__main__":
    main()
