"""What rules cost, and what diversity brings: `python benchmarks/rules.py [ITEMS]`, `… W SPLIT`.

With a number: milliseconds (medians over users, the ways taking turns) of the 10 best audiobooks of ITEMS items, half
of them audiobooks, on the embedded engine: without rules; with a table of availability (rows for a third of the items),
two denied genres of forty, fifty denied creators and a hundred withdrawn items; with those and a boost of one genre;
where the 5,000 items that a user would like best are denied; with quotas of two types; with diversity.

With a working folder and the split that it was trained on: NDCG@10 and intra-list diversity@10 (the mean of 1 − cosine
over the pairs of a list) in the vectors of the towers, of texts and of genres, by `diversity`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file

from colisten.api import open_workdir
from colisten.arrays import Floats, Int64s
from colisten.evaluation.held_out_streams import read_held_out
from colisten.evaluation.scores import ItemVectors, score
from colisten.listening.data import AVAILABILITY, ListeningData
from colisten.progress import Progress
from colisten.serving.eligible import Eligible
from colisten.serving.index.collection import Conditions, new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.payload_index import PayloadIndex
from colisten.serving.profile_writing import write_profiles
from colisten.serving.profiles import Profiles
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import publish_items
from colisten.serving.query import Query
from colisten.serving.ranking import NOTHING, ItemSource, rank
from colisten.serving.recommending import Recommender
from colisten.serving.rules.rulebook import Rulebook
from colisten.serving.rules.store import Rule, RuleStore
from colisten.serving.selection import Shortlists, pool_size, select
from colisten.towers.user_vectors import UserVectors
from tests.worlds import write_listening

WIDTH, USERS, K = 131, 60, 10
TYPES, COUNTRIES = ("audiobook", "podcast"), ("SE", "US", "GB", "DE", "NO")
DIVERSITY = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
QUIET = Progress(quiet=True)
RULES = [
    *(Rule("deny", "genre", f"genre {place}") for place in (3, 4)),
    *(Rule("deny", "creator", f"creator {place}") for place in range(50)),
    *(Rule("withdraw", "item", f"item{place}") for place in range(0, 1000, 10)),
]


def catalogue(folder: Path, count: int, favourites: Int64s) -> ListeningData:
    """Items with genres and creators, the favourites of one of their own; one listener."""
    rng = np.random.default_rng(0)
    creators = [[f"creator {creator}"] for creator in rng.integers(0, count // 10, count).tolist()]
    for place in favourites.tolist():
        creators[place] = ["favourite"]
    columns: dict[str, Sequence[object]] = {
        "item_id": [f"item{place}" for place in range(count)],
        "genres": [[f"genre {genre}"] for genre in rng.integers(0, 40, count)],
        "creators": creators,
    }
    return write_listening(folder, [TYPES[place % 2] for place in range(count)], [(0, 0, 0, 1)], items=columns)


def with_availability(data: ListeningData) -> ListeningData:
    """The same, where a third as many rows as items say where and when those may be shown."""
    rng, count = np.random.default_rng(2), len(data.items)
    rows = rng.integers(0, count, count // 3)
    begins = rng.integers(0, 2**30, len(rows))
    table = pl.DataFrame(
        {
            "item": rows,
            "country": np.array(COUNTRIES)[rng.integers(0, 5, len(rows))],
            "from": begins,
            "until": begins + rng.integers(1, 2**31, len(rows)),
        },
        AVAILABILITY,
    )
    table.sort("item").write_parquet(data.root / "availability.parquet")
    return ListeningData(data.root)


def latency(count: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        vectors = rng.standard_normal((count, WIDTH), dtype=np.float32).astype(np.float16)
        users = rng.standard_normal((USERS, WIDTH), dtype=np.float32)
        data = catalogue(root / "listening", count, np.argsort(-(vectors.astype(np.float32) @ users[0]))[:5000])
        numbers = np.arange(count)
        whole = PublishedItems(numbers, {"towers": vectors}, {}, data.items.select("item_id", "item_type", "genres"))
        index = EmbeddedIndex(root / "index", "colisten")
        publish_items(index, new_name("colisten", []), whole, QUIET, exact_up_to=10**7, keep=1)
        source, inverted = ItemSource(index.open(), vectors), PayloadIndex(whole.inverted_lists())
        write_profiles(data, root / "plain.sqlite", QUIET)
        write_profiles(with_availability(data), root / "profiles.sqlite", QUIET)
        with Profiles.open(root / "profiles.sqlite") as profiles, Profiles.open(root / "plain.sqlite") as plain:
            books = {name: Rulebook(RuleStore(root / f"{name}.sqlite"), profiles) for name in ("rules", "boost", "own")}
            books["off"] = Rulebook(RuleStore(root / "off.sqlite"), plain)
            for name in ("rules", "boost", "own"):
                books[name].add(RULES)
            books["boost"].add([Rule("boost", "genre", "genre 7", amount=1.0)])
            books["own"].add([Rule("deny", "creator", "favourite", "u0")])

            def answered(book: str, place: int, types: tuple[str, ...] = TYPES[:1], diversity: float = 0) -> None:
                (audience,) = books[book].audiences(["u0" if book == "own" else f"u{place + 1}"], ["SE"])
                each, vector = pool_size(K, diversity), UserVectors(users[[0 if book == "own" else place]])
                kinds = [Eligible(inverted, Conditions((one,)), audience.kept_back) for one in types]
                found = rank(source, vector, NOTHING, each, kinds, audience.boost)
                if diversity or len(types) > 1:
                    select(Shortlists.of(found, 1, each), K, [K // 2] * len(types), diversity, vectors)

            ways: dict[str, Callable[[int], None]] = {
                "off": lambda place: answered("off", place),
                "rules": lambda place: answered("rules", place),
                "rules and a boost": lambda place: answered("boost", place),
                "the 5,000 best denied": lambda place: answered("own", place),
                "quotas of two types, off": lambda place: answered("off", place, TYPES),
                "diversity, off": lambda place: answered("off", place, diversity=0.15),
            }
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for place in range(USERS):
                for name, way in ways.items():
                    begin = time.perf_counter()
                    way(place)
                    taken[name].append(1000 * (time.perf_counter() - begin))
    medians = {name: float(np.median(times)) for name, times in taken.items()}
    return {
        name: {"ms": round(median, 2), "ratio": round(median / medians["off"], 2)} for name, median in medians.items()
    }


def diversity(workdir: str, split: str) -> dict[str, dict[str, str]]:
    folder, settings = open_workdir(workdir)
    data, out = ListeningData(folder.listening), {}
    with Recommender.open(folder, settings) as recommender:
        vectors = {
            "towers": recommender.encoder.item_vectors.astype(np.float32),
            "text": load_file(folder.features / "text.safetensors")["text"],
            "genres": genre_vectors(data),
        }
        for part in read_held_out(Path(split)):
            first: dict[str, float] = {}
            for rate in DIVERSITY:
                answer = recommender.recommend(part.users.to_list(), Query(K, part.item_type, diversity=rate))
                lists = pl.DataFrame(list(answer.rows()))
                found: dict[str, float] = {}
                for name, rows in vectors.items():
                    scores = score(part, lists, K, ItemVectors(data.items["item_id"], rows))
                    found["ndcg@10"] = float(scores.accuracy["all"][f"ndcg@{K}"].to_numpy().mean())
                    found[f"diversity@10, {name}"] = scores.lists[f"diversity@{K}"]
                first = first or found
                out[f"{part.item_type}, {rate}"] = {
                    name: f"{value:.4f} ({value / first[name] - 1:+.1%})" for name, value in found.items()
                }
    return out


def genre_vectors(data: ListeningData) -> Floats:
    """[items, genres] 1 where an item is of a genre."""
    pairs = data.items.select("item", "genres").explode("genres").drop_nulls()
    codes = pairs["genres"].rank("dense").to_numpy().astype(np.int64) - 1
    found = np.zeros((len(data.items), codes.max(initial=0) + 1), np.float32)
    found[pairs["item"].to_numpy(), codes] = 1
    return found


if __name__ == "__main__":
    figures = diversity(*sys.argv[1:3]) if len(sys.argv) > 2 else latency(int((sys.argv[1:] or ["250000"])[0]))
    print(json.dumps(figures, indent=1))
