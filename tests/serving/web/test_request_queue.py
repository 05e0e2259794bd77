"""Requests that wait are answered together, each as if it were alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from colisten.errors import SettingsError
from colisten.listening.data import ListeningData
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.serving.web.handler import Answered, ConflictError, RequestHandler
from colisten.serving.web.request_queue import QueueFullError, RequestQueue
from colisten.serving.web.requests import RecommendRequest
from colisten.settings import Settings
from colisten.workdir import Workdir

World = tuple[Workdir, ListeningData, Settings]
USERS = [f"u{number}" for number in range(30)]


class Handler(RequestHandler):
    """Remembers how many requests each search was for."""

    searches: list[int]

    def recommend(self, asked: Sequence[RecommendRequest]) -> list[Answered]:
        self.searches = [*getattr(self, "searches", []), len(asked)]
        return super().recommend(asked)


def ask_at_once(
    world: World, requests: Sequence[RecommendRequest], hang_up: Sequence[int] = ()
) -> tuple[list[Any], list[int]]:
    """What each request gets, an error if it is one, and for how many requests each search was."""
    handler = Handler(world[0], world[2])
    waiting: list[int] = []

    async def ask() -> list[Any]:
        queue = RequestQueue(lambda: handler, 100, waiting.append)
        asked = [asyncio.create_task(queue.recommend(request)) for request in requests]
        await asyncio.sleep(0)
        for place in hang_up:
            asked[place].cancel()
        found = await asyncio.gather(*asked, return_exceptions=True)
        await queue.close()
        return found

    found = asyncio.run(ask())
    assert (max(waiting), waiting[-1]) == (len(requests), 0)
    return found, handler.searches


def shown(answered: Answered) -> list[tuple[str, float]]:
    answer = answered.answer
    return [(item.item_id, round(score, 4)) for item, score in zip(answer.items, answer.scores.tolist(), strict=True)]


def test_requests_that_ask_the_same_of_other_users_take_one_search(world: World) -> None:
    users = [*USERS, "nobody", *USERS[:3]]
    found, searches = ask_at_once(world, [RecommendRequest(user=user, k=7) for user in users])
    assert searches == [16, 16, 2]
    with Recommender.open(world[0], world[2]) as recommender:
        for user, answered in zip(users, found, strict=True):
            alone = recommender.recommend([user], Query(7))
            assert [item for item, _ in shown(answered)] == [item.item_id for item in alone.items]
            assert answered.answer.scores == pytest.approx(alone.scores, rel=1e-4)
            assert answered.answer.ranks.tolist() == alone.ranks.tolist()
            assert bool(answered.notes) == (user == "nobody")
            assert len(answered.explained.history) == 1
            known = set(recommender.profiles.read([user])[0].items.tolist())
            assert known >= set(answered.explained.heard)


def test_requests_that_ask_otherwise_are_answered_otherwise(world: World) -> None:
    requests = [
        RecommendRequest(user="u1"),
        RecommendRequest(user="u2", k=3),
        RecommendRequest(user="u3", why=True),
        RecommendRequest(likes=["Title 3"]),
        RecommendRequest(user="u2", likes=["Title 3"], k=3),
        RecommendRequest(user="u1", type="podcast"),
        RecommendRequest(user="u1", type="no such type"),
        RecommendRequest(user="u1", types="podcast:20"),
        RecommendRequest(user="u1", experiment="no such experiment"),
        RecommendRequest(user="u4"),
        RecommendRequest(user="u5", include_heard=True),
        RecommendRequest(user="u6", exploration=1),
    ]
    found, searches = ask_at_once(world, requests)
    assert searches == [3, *[1] * 9]  # u1, u3 and u4 ask the same
    for request, answered in zip(requests, found, strict=True):
        (alone,), _ = ask_at_once(world, [request])
        assert type(alone) is type(answered)
        if isinstance(alone, Exception):
            assert str(alone) == str(answered)
        else:
            assert shown(alone) == shown(answered)
    assert [type(error) for error in found[6:9]] == [SettingsError, ConflictError, SettingsError]


def test_who_hangs_up_costs_the_others_nothing(world: World) -> None:
    found, searches = ask_at_once(world, [RecommendRequest(user=user) for user in USERS[:5]], hang_up=[0, 3])
    assert [isinstance(answer, asyncio.CancelledError) for answer in found] == [True, False, False, True, False]
    assert len(searches) == 1


def test_a_full_queue_refuses_at_once() -> None:
    queue = RequestQueue(lambda: pytest.fail("nothing is to be opened"), 1, lambda _: None)
    queue.waiting = 1
    for refused in (queue.run(lambda handler: handler), queue.recommend(RecommendRequest(user="u1"))):
        with pytest.raises(QueueFullError):
            asyncio.run(refused)
