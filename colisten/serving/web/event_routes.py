"""Routes that write: events, features of users, words of items. Each is answered once it is on the disk."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from colisten.errors import IndexStoreError, SettingsError, WorkdirError
from colisten.listening.events.item_words import ItemWords
from colisten.listening.events.rows import FIELDS
from colisten.listening.events.store import TextPlace
from colisten.serving.events.intake import EventIntake, TakenIn
from colisten.serving.web import requests, responses
from colisten.serving.web.group_commit import GroupCommit
from colisten.serving.web.metrics import Metrics
from colisten.serving.web.request_queue import RequestQueue
from colisten.serving.web.text_encoding import TextEncoding

MOST_EVENTS = 10_000
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"type": "object", "description": f"An event: {', '.join(FIELDS)}."},
                        {"type": "array", "maxItems": MOST_EVENTS, "items": {}},
                    ]
                },
                "example": {"user_id": "u17", "item_id": "a3", "signal": "stream", "timestamp": 1767225600},
            }
        },
    }
}
_Id = Annotated[requests.ShortText, Path()]


class BodyError(Exception):
    """A body that is not what the route takes, in one sentence; `status` is that of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def event_routes(
    commit: GroupCommit[EventIntake], queue: RequestQueue, texts: TextEncoding, metrics: Metrics
) -> APIRouter:
    """The routes that write through `commit`; `queue` and `texts` place new items, `metrics` count events."""
    router = APIRouter()

    async def place_of(item_id: str, words: ItemWords) -> TextPlace | None:
        """Of a new item; None where it waits for the next run."""
        with suppress(SettingsError, IndexStoreError, WorkdirError):  # without a text encoder, or an index
            text = await queue.run(lambda handler: handler.text_to_place(item_id, words))
            if text:
                vector = await texts.encode(text)
                return await queue.run(lambda handler: handler.place(words, vector))
        return None

    @router.post("/events", response_model=responses.EventsResponse, openapi_extra=_BODY)
    async def events(request: Request) -> JSONResponse:
        """Take in what users did, one event or a list: on the disk before the answer, known to the next one.

        A row that is no event is refused with its place and a reason; the others are kept.
        """
        rows = await _rows(request)
        taken = await commit.run(lambda intake: intake.rows(rows))
        metrics.count_events(taken)
        return JSONResponse(_counts(taken))

    @router.put("/users/{user_id:path}")
    async def user(user_id: _Id, features: requests.Features) -> responses.UserResponse:
        """Say what is known of a user, by columns of the users table, in place of what was said before; in effect at
        once and in the next run."""
        told = await commit.run(lambda intake: intake.user(user_id, features))
        return responses.UserResponse(user_id=user_id, features=told)

    @router.put("/items/{item_id:path}")
    async def item(item_id: _Id, words: ItemWords) -> responses.ItemWordsResponse:
        """Say what an item's words are, for the next run, or that there is a new item, in place of what was said
        before. A new one is answered at once, by its text, where text search is installed."""
        place = await place_of(item_id, words)
        new = await commit.run(lambda intake: intake.item(item_id, words, place))
        note = "It is recommended" if new else "Its words count"
        when = "from the next answer on, by its text" if place else "from the next `colisten run` on"
        return responses.ItemWordsResponse(item_id=item_id, new=new, at_once=place is not None, note=f"{note} {when}.")

    return router


async def _rows(request: Request) -> list[object]:
    """The rows of a body.

    Raises:
        BodyError: it is no JSON object or list, or too long a list.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BodyError(415, "Send events as JSON, with Content-Type: application/json.")
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BodyError(422, "The body is no JSON: send an event, or a list of events.") from None
    rows = [found] if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise BodyError(422, "Send an event as a JSON object, or a list of events.")
    if len(rows) > MOST_EVENTS:
        raise BodyError(422, f"Send at most {MOST_EVENTS:,} events at a time.")
    return rows


def _counts(taken: TakenIn) -> dict[str, Any]:
    return {
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "unknown_items": taken.unknown_items,
        "refused": [row._asdict() for row in taken.refused],
    }
