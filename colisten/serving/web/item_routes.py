"""Routes that change what is said of items while answers are given: withdrawn at once, and back."""

from __future__ import annotations

from fastapi import APIRouter

from colisten.serving.web import responses
from colisten.serving.web.request_queue import RequestQueue


def item_routes(queue: RequestQueue) -> APIRouter:
    """Withdraw an item from the next answer of every process on, and bring it back."""
    router = APIRouter()

    @router.post("/items/{item_id:path}/withdraw")
    async def withdraw(item_id: str) -> responses.WithdrawnResponse:
        """Show an item to nobody any more, from the next answer of every process on."""
        await queue.run(lambda handler: handler.withdraw(item_id))
        return responses.WithdrawnResponse(item_id=item_id, withdrawn=True)

    @router.delete("/items/{item_id:path}/withdraw")
    async def restore(item_id: str) -> responses.WithdrawnResponse:
        """Show a withdrawn item again, from the next answer on."""
        await queue.run(lambda handler: handler.restore(item_id))
        return responses.WithdrawnResponse(item_id=item_id, withdrawn=False)

    return router
