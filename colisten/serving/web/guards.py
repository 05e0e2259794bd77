"""ASGI middleware (body limit, Host check, metrics), the API key dependency, and exception handlers that give JSON."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colisten.errors import ColistenError, SettingsError
from colisten.serving.web.handler import ConflictError
from colisten.serving.web.metrics import Metrics
from colisten.serving.web.request_queue import QueueFullError

_MAX_BODY_BYTES = 1024
"""Every request comes as query parameters: no body is needed."""
_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
_BEARER = HTTPBearer(auto_error=False, description="The key of `serve.api_key`.")
_HTTP = {
    404: "There is nothing at this path: /openapi.json lists what is.",
    405: "This path is asked with GET.",
}
_STATUS: Mapping[type[ColistenError], int] = {SettingsError: 404, ConflictError: 409, QueueFullError: 503}


class GuardMiddleware:
    """Refuses large bodies and, on a loopback address, foreign Host headers; counts and times all requests."""

    def __init__(self, app: ASGIApp, metrics: Metrics, host: str) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = _LOOPBACK if is_loopback(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def recording_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refusal = self._refusal(Headers(scope=scope))
            await (refusal or self._app)(scope, receive, recording_status)
        finally:
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.count(path, status, time.perf_counter() - began)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
            return _error(413, "Questions come as parameters: send no body.")
        # DNS rebinding: a page elsewhere could point a name of its own at this address and read the answers.
        if self._hosts and re.sub(r":\d+$", "", headers.get("host", "")) not in self._hosts:
            return _error(403, "This server answers to localhost only: set serve.host to let others ask.")
        return None


def is_loopback(host: str) -> bool:
    """Is it an address that only this machine can reach?"""
    return host in {*_LOOPBACK, "::1"}


def key_check(key: SecretStr) -> Callable[..., None]:
    """A FastAPI dependency that checks the bearer token."""

    def check(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
        if sent is None or not secrets.compare_digest(sent.credentials.encode(), key.get_secret_value().encode()):
            raise HTTPException(
                401, "Send the server's key as `Authorization: Bearer KEY`.", {"WWW-Authenticate": "Bearer"}
            )

    return check


def errors_as_json(app: FastAPI) -> None:
    """Register handlers that make every error `{"error": "one sentence"}`."""

    @app.exception_handler(ColistenError)
    async def known(_: Request, error: ColistenError) -> JSONResponse:
        status = _STATUS.get(type(error), 503)
        return _error(status, str(error), {"Retry-After": "1"} if status == 503 else None)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: RequestValidationError) -> JSONResponse:
        return _error(422, _sentence(error.errors()[0]))

    @app.exception_handler(StarletteHTTPException)
    async def http(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return _error(error.status_code, _HTTP.get(error.status_code, str(error.detail)), error.headers)

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> JSONResponse:
        return _error(500, "Something went wrong here: the server's own output says what.")


def _error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers)


def _sentence(first: Any) -> str:
    name = str(first["loc"][1]) if len(first["loc"]) > 1 else "request"
    if first["type"] == "extra_forbidden":
        return f"There is no parameter {name!r}: /openapi.json lists those of each path."
    return f"The parameter {name!r} cannot be used: {first['msg'][0].lower()}{first['msg'][1:]}."
