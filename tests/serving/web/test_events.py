"""Events over HTTP: kept before the answer, known to the next one, in every process; bodies that are none."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colisten.errors import OutOfSpaceError, SettingsError
from colisten.listening.data import ListeningData
from colisten.listening.events.store import EventStore
from colisten.serving.events.intake import EventIntake
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.serving.web.app import create_app
from colisten.serving.web.group_commit import GroupCommit
from colisten.settings import Settings
from colisten.workdir import Workdir

World = tuple[Workdir, ListeningData, Settings]


@pytest.fixture
def workdir(world: World, tmp_path: Path) -> Workdir:
    return Workdir.open(Path(shutil.copytree(world[0].root, tmp_path / "W", copy_function=shutil.copy)))


@pytest.fixture
def ask(world: World, workdir: Workdir) -> Iterator[TestClient]:
    with TestClient(create_app(workdir, world[2]), base_url="http://localhost") as client:
        yield client


def streamed(user: str, number: int, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": f'it\'em "{number}"', "signal": "stream", **more}


def first_items(ask: TestClient, user: str) -> list[str]:
    return [item["item_id"] for item in ask.get("/recommend", params={"user": user}).json()["items"]]


def test_what_was_just_heard_is_left_out_of_the_next_answer(world: World, workdir: Workdir, ask: TestClient) -> None:
    """In this process and in any other, of a known user and of one who was never seen before."""
    with Recommender.open(workdir, world[2]) as elsewhere:
        for user in ("u5", "somebody new"):
            before = first_items(ask, user)
            rows = [{"user_id": user, "item_id": item, "signal": "stream"} for item in before[:3]]
            for body in (rows[0], rows[1:]):
                count = 1 if isinstance(body, dict) else len(body)
                taken = {"accepted": count, "duplicates": 0, "unknown_items": 0, "refused": []}
                assert ask.post("/events", json=body).json() == taken
            after = first_items(ask, user)
            assert not set(before[:3]) & set(after)
            answer = elsewhere.recommend([user], Query())
            assert [item.item_id for item in answer.items] == after
            assert answer.unknown == []
            assert ask.get("/recommend", params={"user": user}).json()["notes"] == []


def test_each_row_is_kept_or_refused_with_a_reason(workdir: Workdir, ask: TestClient) -> None:
    rows = [
        streamed("u1", 2, event_id="e"), streamed("u2", 3, event_id="e"), streamed("u1", 2, signal="skip"),
        {"user_id": "u1", "item_id": "not yet", "signal": "follow"}, streamed("u1", 2, value="much"), 7,
    ]  # fmt: skip
    answer = ask.post("/events", json=rows)
    assert answer.status_code == 200
    found = answer.json()
    assert {name: found[name] for name in ("accepted", "duplicates", "unknown_items")} == {
        "accepted": 2, "duplicates": 1, "unknown_items": 1,
    }  # fmt: skip
    assert [row["row"] for row in found["refused"]] == [2, 4, 5]
    assert "there are stream, follow, preview" in found["refused"][0]["reason"]
    with EventStore.create(workdir.events) as store:
        assert store.counts().events == 2
    metrics = ask.get("/metrics").text.splitlines()
    for outcome, count in (("accepted", 2), ("duplicate", 1), ("refused", 3)):
        assert f'colisten_events_total{{outcome="{outcome}"}} {count}.0' in metrics
    assert "colisten_events_on_unknown_items_total 1.0" in metrics


def test_a_mood_is_a_stream_that_nobody_keeps(world: World, workdir: Workdir, ask: TestClient) -> None:
    before = first_items(ask, "u5")
    moody = ask.get("/recommend", params={"user": "u5", "likes": ["Title 10", "title 18"]}).json()
    assert moody["notes"] == []
    assert first_items(ask, "u5") == before
    with Recommender.open(workdir, world[2]) as recommender:
        history, _ = recommender.profiles.read(["u5"])
        assert recommender.in_mood(history, []).items.tolist() == history.items.tolist()
    now = 2_000_000_000
    ask.post("/events", json=[streamed("u5", 10, timestamp=now), streamed("u5", 18, timestamp=now)])
    assert [item["item_id"] for item in moody["items"]] == first_items(ask, "u5") != before


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{", "application/json", 422), ("7", "application/json", 422), ("[" * 100_000, "application/json", 422),
        (json.dumps([1] * 10_001), "application/json", 422), ("[]", "text/plain", 403), ("[]", "application/json", 200),
        (" " * (4 << 20) + "[]", "application/json", 413),
    ],
)  # fmt: skip
def test_bodies_that_are_no_events(ask: TestClient, body: str, kind: str, status: int) -> None:
    answer = ask.post("/events", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status != 200)


def test_told_features_are_those_of_the_next_answer(world: World, workdir: Workdir, ask: TestClient) -> None:
    assert ask.put("/users/somebody/new", json={"country": "US", "age": 30}).json() == {
        "user_id": "somebody/new", "features": {"country": "US", "age": 30.0},
    }  # fmt: skip
    with Recommender.open(workdir, world[2]) as recommender:
        described = recommender.recommend_for([], {"country": "US", "age": 30}, Query())
        assert [item.item_id for item in described.items] == first_items(ask, "somebody/new")
    for body, status in (({"contry": "US"}, 404), ({"age": "old"}, 404), ({"age": [1]}, 422), ([], 422)):
        assert ask.put("/users/u1", json=body).status_code == status
    assert ask.put("/users/somebody/new", json={}).json()["features"] == {}


def test_told_words_wait_for_the_next_run_and_say_so(workdir: Workdir, ask: TestClient) -> None:
    known = ask.put('/items/it\'em "2"', json={"title": "Another"}).json()
    assert known == {
        "item_id": 'it\'em "2"', "new": False, "at_once": False,
        "note": "Its words count from the next `colisten run` on.",
    }  # fmt: skip
    assert ask.put("/items/fresh", json={"title": "Fresh", "item_type": "audiobook"}).json()["new"]
    for name, body, status in (
        ("fresh", {"title": "Fresh"}, 404), ('it\'em "2"', {"item_type": "podcast"}, 404), ("a", {"titel": "x"}, 422),
        ("fresh", {"item_type": "audiobook", "published": "some day"}, 422),
    ):  # fmt: skip
        answer = ask.put(f"/items/{name}", json=body)
        assert (answer.status_code, set(answer.json())) == (status, {"error"})
    with EventStore.create(workdir.events) as store:
        assert dict(store.words()) == {
            'it\'em "2"': '{"title": "Another"}', "fresh": '{"item_type": "audiobook", "title": "Fresh"}'
        }  # fmt: skip


def test_requests_side_by_side_share_transactions_and_count_once(workdir: Workdir, ask: TestClient) -> None:
    with ThreadPoolExecutor(8) as posting:
        sent = [streamed("u1", i % 20, timestamp=5, event_id=str(i % 20)) for i in range(60)]
        answers = list(posting.map(lambda body: ask.post("/events", json=body).json(), sent))
    assert sum(answer["accepted"] for answer in answers) == 20
    assert sum(answer["duplicates"] for answer in answers) == 40


def test_a_group_fails_and_the_next_one_works(world: World, workdir: Workdir) -> None:
    """A full disk is told to all who waited; a refused one costs no other."""

    def full(_: EventIntake) -> None:
        raise OutOfSpaceError("full")

    def refused(_: EventIntake) -> None:
        raise SettingsError("no")

    async def together() -> None:
        commit = GroupCommit(lambda: EventIntake.open(workdir, world[2].signals.used), "events")
        add = [commit.run(partial(EventIntake.rows, rows=[streamed("u1", i)])) for i in range(3)]
        outcomes = await asyncio.gather(*add, commit.run(refused), return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == ["TakenIn"] * 3 + ["SettingsError"]
        with pytest.raises(OutOfSpaceError):
            await commit.run(full)
        assert (await commit.run(lambda intake: intake.rows([streamed("u2", 1)]))).accepted == 1
        commit.close()
        assert (await commit.run(lambda intake: intake.rows([streamed("u2", 1, timestamp=1)]))).accepted == 1
        commit.close()

    asyncio.run(together())
    with EventStore.create(workdir.events) as store:
        assert store.counts().events == 5
