"""The FastAPI application: routes that queue a request and turn the result into a response model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import PlainTextResponse, Response
from starlette.routing import Route

from colisten.errors import ColistenError
from colisten.graph_store.inspection.show import ItemView
from colisten.serving.events.intake import EventIntake
from colisten.serving.experiment.exposures import Exposure, ExposureLog
from colisten.serving.profiles import Item
from colisten.serving.recommending import Recommendations
from colisten.serving.web import requests, responses
from colisten.serving.web.event_routes import event_routes
from colisten.serving.web.graph_lookups import GraphLookups
from colisten.serving.web.group_commit import GroupCommit
from colisten.serving.web.guards import KEY_IN_OPENAPI, GuardMiddleware, errors_as_json
from colisten.serving.web.handler import Explained, RequestHandler
from colisten.serving.web.item_routes import item_routes
from colisten.serving.web.metrics import Metrics
from colisten.serving.web.page import page_routes
from colisten.serving.web.request_queue import RequestQueue
from colisten.serving.web.request_traces import RequestTraces
from colisten.serving.web.text_encoding import TextEncoding
from colisten.serving.why.reasons import Reason
from colisten.settings import Settings
from colisten.workdir import Workdir

_SECONDS_TO_HEALTH = 5.0
_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": responses.ErrorResponse, "description": "The key is missing or wrong."},
    403: {"model": responses.ErrorResponse, "description": "The request names another host, or may not write."},
    404: {"model": responses.ErrorResponse, "description": "There is no such item, type, language, genre or feature."},
    413: {"model": responses.ErrorResponse, "description": "The body is too large, or does not say how large it is."},
    422: {"model": responses.ErrorResponse, "description": "A parameter cannot be used."},
    503: {
        "model": responses.ErrorResponse,
        "description": "Nothing is published, a database does not answer, or the queue is full.",
    },
}
_WRITING: dict[int | str, dict[str, Any]] = {
    400: {"model": responses.ErrorResponse, "description": "The body is no text."},
    415: {"model": responses.ErrorResponse, "description": "The body is not said to be JSON."},
}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": responses.ErrorResponse, "description": "Parameters that exclude each other."}
}


def create_app(workdir: Workdir, settings: Settings, traces: RequestTraces | None = None) -> FastAPI:
    """The ASGI application that serves a working folder; `colisten serve` runs it with uvicorn.

    Args:
        workdir: what to serve.
        settings: how.
        traces: of requests; None: what `serve.traces` says.

    Raises:
        SettingsError: what `serve.traces` takes is not installed.
    """
    metrics = Metrics()
    if traces is None and settings.serve.traces != "none":
        traces = RequestTraces.open()
    queue = RequestQueue(lambda: RequestHandler(workdir, settings), settings.serve.waiting, metrics.waiting.set)
    graph = GraphLookups(workdir, settings)
    texts = TextEncoding(settings.text, settings.serve.waiting)
    events = GroupCommit(lambda: EventIntake.open(workdir, settings.signals.used), "events")
    exposures = GroupCommit(lambda: ExposureLog.open(workdir.experiments), "exposures")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with suppress(ColistenError):
            await graph.run(lambda path_finder: path_finder.unavailable)
        yield
        await queue.close()
        exposures.close()
        events.close()
        graph.close()
        texts.close()
        if traces:
            await asyncio.to_thread(traces.close)

    app = FastAPI(
        title="Colisten", version=version("colisten"), lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Recommendations, explanations, similar items and search. Errors are one sentence under `error`.",
    )  # fmt: skip
    health, page = _health(queue, graph, texts), page_routes()
    unasked = [route.path for route in (*health.routes, *page.routes) if isinstance(route, Route)]
    app.add_middleware(
        GuardMiddleware, metrics=metrics, options=settings.serve, open_paths={"/openapi.json", *unasked}, traces=traces
    )
    errors_as_json(app)
    keys = [KEY_IN_OPENAPI] if settings.serve.api_key or settings.serve.write_key else []
    # routes are tried in turn, and nothing is asked for as often as an event is posted
    written = _ERRORS | _WRITING
    app.include_router(item_routes(queue), responses=written, dependencies=keys)  # before `/items/{item_id:path}`
    app.include_router(event_routes(events, queue, texts, metrics), responses=written, dependencies=keys)
    app.include_router(_api(queue, graph, texts, exposures, metrics), responses=_ERRORS, dependencies=keys)
    app.include_router(health, responses={503: _ERRORS[503]})
    app.include_router(page, include_in_schema=False)
    return app


def _health(queue: RequestQueue, graph: GraphLookups, texts: TextEncoding) -> APIRouter:
    router = APIRouter()

    @router.get("/livez")
    async def live() -> responses.LiveResponse:
        """Liveness check: the process answers, whatever it has to answer from."""
        return responses.LiveResponse()

    @router.get("/health")
    @router.get("/readyz")
    async def ready() -> responses.HealthResponse:
        """Readiness check: what is being served; 503 if nothing is published."""
        available = await graph.available()
        return await queue.run(
            lambda handler: handler.health(graph=available, search=texts.available), seconds=_SECONDS_TO_HEALTH
        )

    return router


def _api(
    queue: RequestQueue, graph: GraphLookups, texts: TextEncoding, exposures: GroupCommit[ExposureLog], metrics: Metrics
) -> APIRouter:
    router = APIRouter()

    async def reasons_for(explained: Explained) -> tuple[list[Reason], list[str]]:
        """Reasons, and a note where the graph gave none."""
        evidence = await graph.evidence(explained.heard, explained.items)
        reasons = await queue.run(lambda handler: handler.explain(explained, evidence))
        missing = evidence.unavailable
        return reasons, [f"Reasons are without paths of shared listeners. {missing}"] if missing else []

    @router.get("/recommend", response_model=responses.RecommendResponse, responses=_CONFLICT)
    async def recommend(request: Annotated[requests.RecommendRequest, Query()]) -> Response:
        """Recommend items to a user, or to an anonymous user described by likes and features."""
        found = await queue.recommend(request)
        notes = found.notes
        why: list[dict[str, Any] | None] = [None] * len(found.answer.items)
        if request.why:
            reasons, more = await reasons_for(found.explained)
            why, notes = [reason.as_json() for reason in reasons], notes + more
        rows = zip(found.answer.titled(), why, strict=True)
        items = [responses.RecommendedItemResponse.model_validate(row | {"why": reason}) for row, reason in rows]
        if exposure := found.exposure:
            await asyncio.shield(exposures.run(lambda log: log.add([exposure])))  # it was computed to be shown
        answer = responses.RecommendResponse(items=items, notes=notes, experiment=_participant(found.exposure))
        return Response(answer.model_dump_json(), media_type="application/json")  # FastAPI would validate it once more

    @router.get("/why", responses=_CONFLICT)
    async def why(request: Annotated[requests.WhyRequest, Query()]) -> responses.ReasonResponse:
        """Explain why one item suits a user, or an anonymous user."""
        (reason,), _ = await reasons_for(await queue.run(lambda handler: handler.asked(request)))
        return responses.ReasonResponse.model_validate(reason.as_json())

    @router.get("/similar")
    async def similar(request: Annotated[requests.SimilarRequest, Query()]) -> responses.RankedItemsResponse:
        """Similar items: listened to by the same people."""
        return responses.RankedItemsResponse(items=_ranked(await queue.run(lambda handler: handler.similar(request))))

    @router.get("/search")
    async def search(request: Annotated[requests.SearchRequest, Query()]) -> responses.RankedItemsResponse:
        """Semantic search: items whose texts mean what the query says."""
        await queue.run(lambda handler: handler.check(request))
        text = await texts.encode(request.q)
        return responses.RankedItemsResponse(
            items=_ranked(await queue.run(lambda handler: handler.search(request, text)))
        )

    @router.get("/titles")
    async def titles(request: Annotated[requests.TitlesRequest, Query()]) -> responses.TitlesResponse:
        """Items by a part of their title."""
        return responses.TitlesResponse(
            items=[_item(item) for item in await queue.run(lambda handler: handler.titles(request))]
        )

    @router.get("/neighbourhood")
    async def neighbourhood(
        request: Annotated[requests.NeighbourhoodRequest, Query()],
    ) -> responses.NeighbourhoodResponse:
        """An item's strongest neighbours in the graph, by each relation."""
        item = await queue.run(lambda handler: handler.item(request.item))
        return _neighbourhood(item, await graph.run(lambda finder: finder.neighbourhood(item.item_id, request.k)))

    @router.get("/metrics", response_class=PlainTextResponse)
    async def prometheus() -> str:
        """Metrics for Prometheus."""
        return metrics.text()

    return router


def _participant(exposure: Exposure | None) -> responses.ParticipantResponse | None:
    if exposure is None:
        return None
    return responses.ParticipantResponse(name=exposure.experiment, group=exposure.group, request_id=exposure.request_id)


def _item(item: Item) -> responses.ItemResponse:
    return responses.ItemResponse.model_validate(item.as_json())


def _ranked(answer: Recommendations) -> list[responses.RankedItemResponse]:
    return [responses.RankedItemResponse.model_validate(row) for row in answer.titled()]


def _neighbourhood(item: Item, view: ItemView | None) -> responses.NeighbourhoodResponse:
    if view is None:  # the item is newer than the graph
        return responses.NeighbourhoodResponse(item=_item(item), neighbours=[], groups=[])
    neighbours = [
        responses.NeighbourResponse(
            item_id=n.id, item_type=group.item_type, title=n.title, relation=group.relation,
            weight=round(n.weight, 4), listeners=n.listeners, step=n.step,
        )
        for group in view.groups
        for n in group.neighbours
    ]  # fmt: skip
    groups = [
        responses.NeighbourGroupResponse(relation=group.relation, item_type=group.item_type, degree=group.degree)
        for group in view.groups
    ]
    return responses.NeighbourhoodResponse(item=_item(item), neighbours=neighbours, groups=groups)
