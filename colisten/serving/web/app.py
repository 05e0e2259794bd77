"""The application: routes, each a few lines that hand a question in and put the answer into JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.responses import PlainTextResponse

from colisten.errors import ColistenError
from colisten.graph_store.inspection.show import ItemView
from colisten.serving.profiles import Item
from colisten.serving.recommending import Recommendations
from colisten.serving.web import questions, replies
from colisten.serving.web.answers import Answers
from colisten.serving.web.desk import Desk
from colisten.serving.web.guards import Guard, errors_as_json, key_check
from colisten.serving.web.metrics import Metrics
from colisten.serving.web.page import page_routes
from colisten.settings import Settings
from colisten.workdir import Workdir

_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": replies.Error, "description": "The key is missing or wrong."},
    403: {"model": replies.Error, "description": "The request names another host."},
    404: {"model": replies.Error, "description": "There is no such item, type, language, genre or feature."},
    413: {"model": replies.Error, "description": "The request has a body."},
    422: {"model": replies.Error, "description": "A parameter cannot be used."},
    503: {"model": replies.Error, "description": "Nothing is published, a database does not answer, or too many wait."},
}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": replies.Error, "description": "Two things at once."}}


def create_app(workdir: Workdir, settings: Settings) -> FastAPI:
    """The server of a working folder, to be run by any ASGI server; see `colisten serve`."""
    desk = Desk(lambda: Answers(workdir, settings), settings.serve.waiting)
    metrics = Metrics(lambda: desk.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with suppress(ColistenError):  # `/search` says what is wrong; everything else works
            await desk.ask(lambda answers: answers.load_encoder())
        yield
        await desk.close()

    app = FastAPI(
        title="Colisten", version=version("colisten"), lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Recommendations, reasons, likeness and search. Errors are one sentence under `error`.",
    )  # fmt: skip
    app.add_middleware(Guard, metrics=metrics, host=settings.serve.host)
    errors_as_json(app)
    key = settings.serve.api_key
    app.include_router(_api(desk, metrics), responses=_ERRORS, dependencies=[Depends(key_check(key))] if key else [])
    app.include_router(_health(desk), responses={503: _ERRORS[503]})
    app.include_router(page_routes(), include_in_schema=False)
    return app


def _health(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    async def health() -> replies.Health:
        """Is there something to ask?"""
        return await desk.ask(lambda answers: answers.health())

    return router


def _api(desk: Desk, metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.get("/recommend", responses=_CONFLICT)
    async def recommend(asked: Annotated[questions.Recommend, Query()]) -> replies.Recommendations:
        """What a user, or somebody with no account, may want to hear next."""
        answer, reasons, notes = await desk.ask(lambda answers: answers.recommend(asked))
        why = [reason.as_json() for reason in reasons] if reasons is not None else [None] * len(answer.items)
        rows = zip(answer.titled(), why, strict=True)
        items = [replies.Recommended.model_validate(row | {"why": reason}) for row, reason in rows]
        return replies.Recommendations(items=items, notes=notes)

    @router.get("/why", responses=_CONFLICT)
    async def why(asked: Annotated[questions.Why, Query()]) -> replies.Reason:
        """What speaks for one item, for a user or somebody with no account."""
        reason = await desk.ask(lambda answers: answers.why(asked))
        return replies.Reason.model_validate(reason.as_json())

    @router.get("/similar")
    async def similar(asked: Annotated[questions.Similar, Query()]) -> replies.Found:
        """Items listened to by the same people."""
        return replies.Found(items=_ranked(await desk.ask(lambda answers: answers.similar(asked))))

    @router.get("/search")
    async def search(asked: Annotated[questions.Search, Query()]) -> replies.Found:
        """Items whose texts mean what is asked for."""
        return replies.Found(items=_ranked(await desk.ask(lambda answers: answers.search(asked))))

    @router.get("/titles")
    async def titles(asked: Annotated[questions.Titles, Query()]) -> replies.Titles:
        """Items with some words in their title."""
        return replies.Titles(items=[_named(item) for item in await desk.ask(lambda answers: answers.titles(asked))])

    @router.get("/neighbourhood")
    async def neighbourhood(asked: Annotated[questions.Neighbourhood, Query()]) -> replies.Neighbourhood:
        """An item's strongest neighbours in the co-listening graph."""
        return _neighbourhood(*await desk.ask(lambda answers: answers.neighbourhood(asked)))

    @router.get("/metrics", response_class=PlainTextResponse)
    async def figures() -> str:
        """Figures for Prometheus."""
        return metrics.text()

    return router


def _named(item: Item) -> replies.Named:
    return replies.Named.model_validate(item.as_json())


def _ranked(answer: Recommendations) -> list[replies.Ranked]:
    return [replies.Ranked.model_validate(row) for row in answer.titled()]


def _neighbourhood(item: Item, view: ItemView | None) -> replies.Neighbourhood:
    if view is None:  # newer than the graph
        return replies.Neighbourhood(item=_named(item), neighbours=[], degrees={})
    near = [
        replies.Neighbour(
            item_id=n.id, item_type=n.item_type, title=n.title, listeners=n.listeners, weight=round(n.weight, 4)
        )
        for found in view.neighbours.values()
        for n in found
    ]
    return replies.Neighbourhood(item=_named(item), neighbours=near, degrees=dict(view.degrees))
