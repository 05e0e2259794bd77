"""No rule is ever broken, whatever their mix, and k answers come whenever k items satisfy them: against brute force."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient
from safetensors.numpy import load_file

from colisten.arrays import Floats
from colisten.listening.data import AVAILABILITY, ListeningData
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore, TextPlace
from colisten.listening.histories import UserHistories
from colisten.serving import eligible
from colisten.serving.index.collection import Index, new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.index.server import ServerIndex
from colisten.serving.payload_index import PayloadIndex
from colisten.serving.profile_writing import write_profiles
from colisten.serving.profiles import Profiles
from colisten.serving.published_items import published_items
from colisten.serving.publishing import publish_items
from colisten.serving.query import Query, TypeQuota
from colisten.serving.ranking import at_hand
from colisten.serving.recommending import Recommendations, Recommender
from colisten.serving.rules.availability import Window
from colisten.serving.rules.rulebook import Rulebook
from colisten.serving.rules.store import Rule, RuleStore
from colisten.settings import Settings
from colisten.towers.user_encoder import UserEncoder
from colisten.workdir import Workdir
from tests.serving.conftest import qdrant_server
from tests.serving.index.numpy_index import NumpyIndex
from tests.serving.worlds import GENRES, LANGUAGES, QUIET, TYPES, texts

CREATORS = ("Ann", "Bo", "Cid", "Dee")
COUNTRIES = (None, "US", "SE", "no")
MOMENTS = (0, 100, 150, 200, 999)
USERS = ("u0", "u1", "u2", "u5", "just like", "nobody yet")
ITEMS, NEW, BACK = 240, 20, 7
"""Items of the catalogue; how many were told since; and one that had left it and was told of again."""
TOLD_ITEMS = (*range(0, ITEMS, 17), *range(ITEMS, ITEMS + NEW, 3))
TOLD: tuple[list[tuple[str | None, int | None, int | None]], ...] = (
    [], [("SE", 100, None), ("dk", None, None)], [(None, 150, 200)],
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A recommender over one back end, and what the oracle knows of the same items."""

    recommender: Recommender
    items: list[dict[str, Any]]
    windows: dict[int, list[tuple[str | None, int | None, int | None]]]
    countries: dict[str, str | None]
    heard: dict[str, set[int]]
    scores: dict[str, Floats]
    """Of all items, by user, without boosts."""


@pytest.fixture(scope="module")
def data(world: tuple[Workdir, ListeningData, Settings], tmp_path_factory: pytest.TempPathFactory) -> ListeningData:
    """The world's data with creators, and with markets and times for half of the items."""
    folder = tmp_path_factory.mktemp("rules") / "listening"
    shutil.copytree(world[1].root, folder)
    rng = np.random.default_rng(5)
    items = pl.read_parquet(folder / "items.parquet")
    creators = [sorted({CREATORS[i] for i in rng.integers(0, 4, n)}) or None for n in rng.integers(0, 3, ITEMS)]
    items.with_columns(creators=pl.Series(creators, dtype=pl.List(pl.String))).write_parquet(folder / "items.parquet")
    rows = []
    for item in rng.permutation(ITEMS)[: ITEMS // 2].tolist():
        for _ in range(int(rng.integers(1, 4))):
            begin, end = sorted(int(edge) for edge in rng.choice(MOMENTS, 2, replace=False))
            country, open_begin, open_end = COUNTRIES[rng.integers(4)], rng.random() < 0.4, rng.random() < 0.4
            rows.append((item, country, None if open_begin else begin, None if open_end else end))
    pl.DataFrame(rows, AVAILABILITY, orient="row").write_parquet(folder / "availability.parquet")
    return ListeningData(folder)


@pytest.fixture(scope="module", params=["embedded", "products", "client", "server", "numpy"])
def place(
    request: pytest.FixtureRequest, world: tuple[Workdir, ListeningData, Settings], data: ListeningData,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:  # fmt: skip
    workdir, folder = world[0], tmp_path_factory.mktemp("place")
    index: Index = NumpyIndex("colisten")
    if request.param in ("embedded", "products"):
        index = EmbeddedIndex(folder / "index", "colisten")
    if request.param == "client":
        index = ServerIndex(QdrantClient(":memory:"), "colisten")
    if request.param == "server":
        index = ServerIndex(qdrant_server(), "colisten-rules-test")
    encoder = UserEncoder.load(workdir.towers)
    hgnn, text = load_file(workdir.gnn / "items.safetensors"), load_file(workdir.features / "text.safetensors")
    what = published_items(data, encoder.item_vectors, hgnn["embeddings"], text["text"], encoder.matrices)
    publish_items(index, new_name("colisten", []), what, QUIET, exact_up_to=10_000, keep=1)
    write_profiles(data, folder / "profiles.sqlite", QUIET)
    if request.param == "products":  # few item vectors are at hand: the index is not asked
        encoder = replace(encoder, item_vectors=at_hand(encoder.item_vectors))
    with Profiles.open(folder / "profiles.sqlite") as profiles:
        rules = Rulebook(RuleStore(folder / "rules.sqlite"), profiles)
        inverted = PayloadIndex(what.inverted_lists())
        for item in TOLD_ITEMS:  # in place of the rows of the data
            windows = [Window(*row) for row in TOLD[item % 3]]
            rules.tell_availability(name(item), windows)
        told = _tell_new_items(folder / "events.sqlite", data)
        yield _place(Recommender(profiles, encoder, index.open(), inverted, "audiobook", rules), data, told)
    index.drop(index.ready()[0])


def name(item: int) -> str:
    return f'it\'em "{item}"'


Told = dict[int, tuple[dict[str, Any], dict[int, float]]]
"""Rows of new items, and the cosines of their neighbours, by number."""


def _tell_new_items(log: Path, data: ListeningData) -> Told:
    """Items like some of the catalogue, placed anywhere; somebody has heard three of them."""
    rng, found = np.random.default_rng(9), {}
    rows = list(data.items.filter(~pl.col("retired")).iter_rows(named=True))
    models = {ITEMS + place: rows[int(rng.integers(len(rows)))] for place in range(NEW)}
    with EventStore.create(log) as store, store.transaction():
        for item, like in [*models.items(), (BACK, data.items.row(BACK, named=True))]:
            mates = [row["item"] for row in rows if row["item_type"] == like["item_type"]]
            near = {int(mate): float(rng.random()) for mate in rng.choice(mates, min(5, len(mates)), replace=False)}
            words = {key: like[key] for key in ("item_type", "language", "genres", "creators") if like[key]}
            text = texts(9, seed=item)[1].tobytes()
            place = TextPlace(text, {name(number): cosine for number, cosine in near.items()})
            store.put_words(name(item), words, place)
            found[item] = like | {"item": item, "item_id": name(item), "retired": False}, near
        heard = (("u1", ITEMS), ("u2", ITEMS + 1), ("u5", BACK))
        store.add(Event(user, name(item), "stream", 5) for user, item in heard)
    return found


def _place(recommender: Recommender, data: ListeningData, told: Told) -> Place:
    windows: dict[int, list[tuple[str | None, int | None, int | None]]] = {}
    for item, *row in data.availability.iter_rows():
        windows.setdefault(item, []).append(tuple(row))
    for item in TOLD_ITEMS:
        windows.pop(item, None)
        if TOLD[item % 3]:
            windows[item] = TOLD[item % 3]
    encoder, profiles = recommender.encoder, recommender.profiles
    heard, scores = {}, {}
    countries: dict[str, str | None] = {}
    for user in USERS:
        history = profiles.read([user])[0]
        gone = (history.signals == 0) | np.isin(history.signals, encoder.negative_signals)
        scores[user] = _scores(recommender, history, data, told)
        heard[user] = set(history.items[gone].tolist())
        country = history.features["country"][0]
        countries[user] = None if country is None else str(country)
    assert {ITEMS} <= heard["u1"]
    assert {BACK} <= heard["u5"]
    items = {item["item"]: item for item in data.items.iter_rows(named=True)} | {i: row for i, (row, _) in told.items()}
    return Place(recommender, [items[i] for i in range(ITEMS + NEW)], windows, countries, heard, scores)


def _scores(recommender: Recommender, history: UserHistories, data: ListeningData, told: Told) -> Floats:
    """Of a new item: what its neighbours score, weighted by cosine, but for demand, which is that of what nobody has
    heard; and the mean of their tower vectors has length 1, as each of them has."""
    encoder = recommender.encoder
    user, vectors = encoder.encode(history), encoder.item_vectors.astype(np.float32)
    demand = user.dense[0, encoder.columns["demand"]] * vectors[:, encoder.columns["demand"]][:, 0]
    found = np.zeros(ITEMS + NEW, np.float32)
    found[:ITEMS] = vectors @ user.dense[0]
    found[user.sparse.items] += user.sparse.values
    known, counts = found.copy(), dict(data.listeners.collect().iter_rows())
    for item, (row, near) in told.items():
        of_type = data.items.filter(~pl.col("retired") & (pl.col("item_type") == row["item_type"]))["item"].to_list()
        fewest = min(counts.get(number, 0) for number in of_type)
        least = [number for number in of_type if counts.get(number, 0) == fewest][-100:]
        weights = np.array(list(near.values()), np.float32) / sum(near.values())
        towers = (vectors * encoder.scale)[list(near), encoder.columns["towers"]]
        tasted = towers @ (user.dense[0] / encoder.scale)[encoder.columns["towers"]]
        longer = 1 / np.linalg.norm(weights @ towers) - 1
        rest = known[list(near)] - demand[list(near)]
        found[item] = weights @ rest + longer * weights @ tasted + demand[least].mean()
    return found


def _named(rule: Rule, item: dict[str, Any]) -> bool:
    if rule.field == "item":
        return bool(item["item_id"] == rule.value)
    return rule.value in (item["creators" if rule.field == "creator" else "genres"] or ())


def _available(place: Place, item: int, country: str | None, at: int) -> bool:
    rows = place.windows.get(item)
    return rows is None or any(
        (where is None or (country is not None and where.casefold() == country.casefold()))
        and (begin is None or begin <= at) and (end is None or at < end)
        for where, begin, end in rows
    )  # fmt: skip


def _may(place: Place, item: dict[str, Any], query: Query, rules: Sequence[Rule], user: str) -> bool:
    """Whether an item may be shown, word for word as the rules say."""
    country = query.market if query.market is not None else place.countries.get(user)
    assert query.at is not None
    if item["retired"] or not _available(place, item["item"], country, query.at):
        return False
    for whose in {"", user}:
        own = [rule for rule in rules if rule.user_id == whose]
        if any(_named(rule, item) for rule in own if rule.kind in ("deny", "withdraw")):
            return False
        allowed = [rule for rule in own if rule.kind == "allow"]
        if allowed and not any(_named(rule, item) for rule in allowed):
            return False
    return bool(
        (not query.languages or item["language"] in query.languages)
        and (not query.genres or set(item["genres"] or ()) & set(query.genres))
    )


def _types(query: Query, default: Sequence[str]) -> dict[str, int]:
    if query.item_type:
        return {query.item_type: 0}
    named = {quota.item_type: quota.least for quota in query.types}
    return dict.fromkeys(TYPES, 0) if "*" in named else named or dict.fromkeys(default, 0)


def _best(scores: dict[int, float], kinds: dict[int, str], least: dict[str, int], k: int) -> list[float]:
    """The best scores by which every type has its quota, as far as it can be filled."""
    order = sorted(scores, key=lambda item: -scores[item])
    owed = [item for kind, count in least.items() for item in [i for i in order if kinds[i] == kind][:count]]
    rest = [item for item in order if item not in set(owed)]
    return sorted((scores[item] for item in [*owed, *rest[: k - len(owed)]]), reverse=True)


def _check(place: Place, found: Recommendations, query: Query, rules: Sequence[Rule], user: str) -> None:
    least = _types(query, ["audiobook"])
    may = {
        item["item"]: item["item_type"]
        for item in place.items
        if item["item_type"] in least
        and _may(place, item, query, rules, user)
        and (query.include_heard or item["item"] not in place.heard[user])
    }
    shown = [item.item for item in found.items]
    assert set(shown) <= set(may)
    assert len(set(shown)) == len(shown) == min(query.k, len(may))
    assert found.ranks.tolist() == list(range(1, len(shown) + 1))
    there, counts = Counter(may.values()), Counter(item.item_type for item in found.items)
    assert all(counts[kind] >= min(count, there[kind]) for kind, count in least.items())
    boosts = {item: sum(r.amount for r in rules if r.kind == "boost" and _named(r, place.items[item])) for item in may}
    scores = {item: float(place.scores[user][item]) + boosts[item] for item in may}
    np.testing.assert_allclose(found.scores, [scores[item] for item in shown], rtol=1e-4, atol=1e-4)
    if not query.diversity:
        best = _best(scores, may, least, query.k)
        np.testing.assert_allclose(found.scores, best, rtol=1e-4, atol=1e-4)


_values = st.one_of(
    st.tuples(st.just("item"), st.integers(0, ITEMS + NEW - 1).map(name)),
    st.tuples(st.just("creator"), st.sampled_from(CREATORS)),
    st.tuples(st.just("genre"), st.sampled_from(GENRES)),
)
rules_ = st.lists(
    st.one_of(
        st.builds(lambda v, kind, user: Rule(kind, v[0], v[1], user), _values,
                  st.sampled_from(["deny", "deny", "allow"]), st.sampled_from(["", "", *USERS])),
        st.builds(lambda v, by: Rule("boost", v[0], v[1], "", by), _values, st.sampled_from([0.01, 0.5, 30.0])),
        st.builds(lambda v: Rule("withdraw", "item", v), st.integers(0, ITEMS + NEW - 1).map(name)),
    ),
    max_size=6, unique_by=lambda rule: (rule.kind, rule.field, rule.value, rule.user_id),
)  # fmt: skip
mixes = st.sampled_from([
    (), (), (TypeQuota("*"),), (TypeQuota("audiobook"), TypeQuota("podcast")),
    (TypeQuota("audiobook", 1), TypeQuota("podcast", 3)), (TypeQuota("short", 6), TypeQuota("podcast", 2)),
    (TypeQuota("podcast", 2), TypeQuota("short")),
])  # fmt: skip
queries = st.builds(
    lambda k, **parts: Query(k, **parts), st.sampled_from([8, 10, 40, 250]), types=mixes,
    languages=st.sampled_from([(), (), LANGUAGES[:1]]), genres=st.sampled_from([(), (), GENRES[:2]]),
    include_heard=st.booleans(), diversity=st.sampled_from([None, None, 0.3, 1.0]),
    market=st.sampled_from([None, None, "se", "NO", "nowhere"]), at=st.sampled_from([-5, 99, 100, 170, 200, 5000]),
)  # fmt: skip


@settings(max_examples=60)
@given(rules=rules_, query=queries, users=st.sets(st.sampled_from(USERS), min_size=1, max_size=4), listed=st.booleans())
def test_no_rule_is_broken_and_no_place_left_empty(
    place: Place, rules: list[Rule], query: Query, users: set[str], listed: bool
) -> None:
    asked, rulebook = sorted(users), place.recommender.rules
    rulebook.add(rules)
    try:
        with patch.object(eligible, "_LISTED", 5000 if listed else 0):
            together = place.recommender.recommend(asked, query)
            _check_similar(place, query, rules)
        for user in asked:
            rows = [place_ for place_, whose in enumerate(together.user_ids) if whose == user]
            mine = replace(
                together, items=[together.items[row] for row in rows], scores=together.scores[rows],
                ranks=together.ranks[rows],
            )  # fmt: skip
            _check(place, mine, query, rules, user)
    finally:
        rulebook.remove(rules)


def _check_similar(place: Place, query: Query, rules: Sequence[Rule]) -> None:
    """Nearest items and searches are of the same rules, for a user of unknown country unless a market is named."""
    of_all = [rule for rule in rules if not rule.user_id]
    texts = place.recommender.collection.vectors("text", [3])
    for found, source in (
        (place.recommender.similar(name(3), query, across=True), 3),
        (place.recommender.similar(name(ITEMS + 2), query, across=True), ITEMS + 2),
        (place.recommender.search(texts[3], query), -1),
    ):
        least = _types(query, TYPES)
        may = {
            item["item"] for item in place.items
            if item["item"] != source and item["item_type"] in least and _may(place, item, query, of_all, "")
        }  # fmt: skip
        shown = [item.item for item in found.items]
        assert set(shown) <= may
        assert len(set(shown)) == len(shown) == min(query.k, len(may))
