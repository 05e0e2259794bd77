"""Routes that change at once which items are shown: withdrawn and back, available where and when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Path

from colisten.serving.web import requests, responses
from colisten.serving.web.request_queue import RequestQueue

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_Id = Annotated[requests.ShortText, Path()]
_Rows = Annotated[list[requests.AvailabilityRow], Body(max_length=1000)]


def item_routes(queue: RequestQueue) -> APIRouter:
    """What changes what is shown from the next answer of every process on."""
    router = APIRouter()

    @router.put("/items/{item_id:path}/availability")
    async def available(item_id: _Id, rows: _Rows) -> responses.AvailabilityResponse:
        """Say where and when an item may be shown, in place of what the data says; no rows: everywhere and always."""
        windows = [row.window() for row in rows]
        known = await queue.run(lambda handler: handler.tell_availability(item_id, windows))
        return responses.AvailabilityResponse(item_id=item_id, rows=len(rows), known=known)

    @router.delete("/items/{item_id:path}/availability")
    async def as_in_the_data(item_id: _Id) -> responses.UntoldResponse:
        """Let hold again what the data says of where and when an item may be shown."""
        told = await queue.run(lambda handler: handler.untell_availability(item_id))
        return responses.UntoldResponse(item_id=item_id, told=told)

    @router.post("/items/{item_id:path}/withdraw")
    async def withdraw(item_id: _Id) -> responses.WithdrawnResponse:
        """Show an item to nobody any more, from the next answer of every process on."""
        await queue.run(lambda handler: handler.withdraw(item_id))
        return responses.WithdrawnResponse(item_id=item_id, withdrawn=True)

    @router.delete("/items/{item_id:path}/withdraw")
    async def restore(item_id: _Id) -> responses.WithdrawnResponse:
        """Show a withdrawn item again, from the next answer on."""
        await queue.run(lambda handler: handler.restore(item_id))
        return responses.WithdrawnResponse(item_id=item_id, withdrawn=False)

    for what, methods in (("availability", {"PUT", "DELETE"}), ("withdraw", {"POST", "DELETE"})):
        _refuse_others(router, f"/items/{{item_id:path}}/{what}", methods)
    return router


def _refuse_others(router: APIRouter, path: str, methods: set[str]) -> None:
    """Any other method is none of this path, nor one of an item whose id ends like it."""

    @router.api_route(path, methods=sorted(_METHODS - methods), include_in_schema=False)
    async def refused() -> None:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
