"""Reasons against the listening data: every number in them is counted again from the interactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.serving import popular
from colisten.serving.profile_writing import write_profiles
from colisten.serving.profiles import Profiles
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.serving.why.explaining import Explainer
from colisten.serving.why.path_finder import Evidence, PathFinder
from colisten.serving.why.reasons import Reason
from colisten.settings import Neo4jSettings, Settings
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET

World = tuple[Workdir, ListeningData, Settings]
NONE = PathFinder(None, "neo4j", "not asked here")


@pytest.fixture
def graph(world: World, with_graph: Settings) -> Iterator[PathFinder]:
    found = PathFinder.open(world[0], with_graph)
    yield found
    found.close()


@pytest.fixture
def recommender(world: World) -> Recommender:
    return Recommender.open(world[0], world[2])


def explained(
    recommender: Recommender, graph: PathFinder, history: UserHistories, items: Sequence[int]
) -> list[Reason]:
    explainer = Explainer(recommender.profiles, recommender.collection)
    return explainer.explain(history, items, graph.evidence(explainer.heard(history), items))


def heard_by(data: ListeningData) -> dict[int, set[int]]:
    """item → who streamed it."""
    streams = pl.read_parquet(data.interactions).filter(pl.col("signal") == 0)
    return {item: set(users) for item, users in streams.group_by("item").agg("user").iter_rows()}


def test_paths_count_real_listeners(world: World, recommender: Recommender, graph: PathFinder) -> None:
    listeners, data = heard_by(world[1]), world[1]
    kinds: list[str] = []
    for user_id in ("u3", "u10", "u31", "o'brien\"; DROP TABLE users"):
        answer = recommender.recommend([user_id], Query(k=20))
        user = int(data.users.filter(pl.col("user_id") == user_id)["user"][0])
        user_history, _ = recommender.profiles.read([user_id])
        reasons = explained(recommender, graph, user_history, [item.item for item in answer.items])
        assert len(reasons) == len(answer.items)
        for item, reason in zip(answer.items, reasons, strict=True):
            kinds.append(reason.kind)
            assert bool(reason.paths) == (reason.kind == "listeners")
            for path in reason.paths:
                numbers = [each.item for each in path.items]
                assert numbers[-1] == item.item
                assert user in listeners[numbers[0]], "every path begins where the user was"
                shared = [len(listeners[a] & listeners[b]) for a, b in pairwise(numbers)]
                assert list(path.listeners) == shared
                assert f"{shared[0]:,} listener" in str(path)
            assert reason.as_json()["words"] == reason.words
    assert kinds.count("listeners") > len(kinds) / 2
    assert graph.unavailable is None


def test_without_a_path_a_similar_text_explains(recommender: Recommender) -> None:
    user_history = recommender.anonymous_user(["Title 14", "Title 3"], {})
    (alike, textless) = explained(recommender, NONE, user_history, [15, 10])
    assert alike.kind == "text"
    assert alike.about is not None
    assert alike.about["title"] == "Title 14"
    vectors = recommender.collection.vectors("text", [14, 15])
    assert alike.about["cosine"] == pytest.approx(float(vectors[14] @ vectors[15]), abs=1e-3)
    assert "closest in text to ‘Title 14’" in alike.words
    assert textless.kind != "text"


@pytest.mark.parametrize("country", ["US", None])
def test_what_is_popular_is_counted(
    world: World, country: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = world[1]
    monkeypatch.setattr(popular, "MIN_LISTENERS", 2)  # the test data has few users
    write_profiles(data, tmp_path / "profiles.sqlite", QUIET)
    recommender = replace(Recommender.open(world[0], world[2]), profiles=Profiles.open(tmp_path / "profiles.sqlite"))
    people = data.users.filter(pl.col("country") == country) if country else data.users
    living = set(people["user"].to_list())
    counts = {item: len(users & living) for item, users in heard_by(data).items()}
    user_history = recommender.anonymous_user([], {"country": country} if country else {})
    every = data.items.filter(~pl.col("retired"))["item"].to_list()
    reasons = explained(recommender, NONE, user_history, every)
    popular_reasons = {
        item: reason.about for item, reason in zip(every, reasons, strict=True) if reason.kind == "popular"
    }
    here = {item: about for item, about in popular_reasons.items() if about is not None and about["country"] == country}
    assert here
    kinds = dict(data.items.select("item", "item_type").iter_rows())
    for item, about in here.items():
        assert about["listeners"] == counts[item] >= 2
        rivals = [counts.get(other, 0) for other in every if kinds[other] == kinds[item]]
        ahead, level = sum(n > counts[item] for n in rivals), sum(n >= counts[item] for n in rivals)
        assert ahead < about["place"] <= level
    silent = [reason for item, reason in zip(every, reasons, strict=True) if counts.get(item, 0) == 0]
    assert {reason.kind for reason in silent} <= {"model", "popular"}
    assert any(reason.kind == "model" for reason in reasons)


def test_a_history_without_streams_still_gives_paths(recommender: Recommender, graph: PathFinder) -> None:
    user_history = recommender.anonymous_user(["Title 4"], {})
    followed = replace(user_history, signals=np.ones_like(user_history.signals))
    items = [item for item in range(60) if item not in user_history.items]
    streamed, interested = (explained(recommender, graph, who, items) for who in (user_history, followed))
    assert [r.kind for r in streamed] == [r.kind for r in interested]
    assert "listeners" in {r.kind for r in interested}


def test_neo4j_is_not_started_for_a_reason(world: World) -> None:
    graph = PathFinder.open(world[0], Settings())
    assert graph.unavailable is not None
    assert "colisten db start" in graph.unavailable
    assert graph.evidence([1], [2]) == Evidence(unavailable=graph.unavailable)
    assert not (world[0].neo4j / "data").exists()


def test_neo4j_out_of_reach_is_reported_without_the_password(world: World) -> None:
    nowhere = Neo4jSettings.model_validate({"uri": "bolt://127.0.0.1:9", "password": "hush"})
    graph = PathFinder.open(world[0], Settings(neo4j=nowhere))
    assert graph.unavailable is not None
    assert "No Neo4j answers" in graph.unavailable
    assert "hush" not in graph.unavailable


def test_an_item_with_a_signal_of_the_users_own_is_explained_by_it(recommender: Recommender) -> None:
    liked = recommender.anonymous_user(["Title 14", "Title 20"], {})
    history = replace(liked, signals=np.array([0, 1], np.uint8))
    heard, followed = explained(recommender, NONE, history, liked.items.tolist())
    assert heard.kind != "signal"
    assert (followed.kind, followed.about) == ("signal", {"signal": "follow"})
    assert followed.words == "you gave it the signal ‘follow’"
