"""The page: four static files, and a content security policy that lets it load nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, Response

_POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/graph.js": ("graph.js", "text/javascript"),
}


def page_routes() -> APIRouter:
    """Routes of the page's files; its data comes through the API."""
    router = APIRouter()
    for path, (name, media_type) in _FILES.items():
        content = files("colisten.serving.web").joinpath(name).read_bytes()
        response = Response(content, headers=_HEADERS, media_type=media_type)
        router.add_api_route(path, _endpoint(response), response_class=Response)
    return router


def _endpoint(response: Response) -> Callable[[], Awaitable[Response]]:
    async def respond() -> Response:
        return response

    return respond
