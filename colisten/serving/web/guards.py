"""ASGI middleware (keys, Host and Origin checks, body limits, metrics), and exception handlers that give JSON."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colisten.errors import ColistenError, SettingsError
from colisten.serving.web import request_ids, request_traces
from colisten.serving.web.event_routes import BodyError
from colisten.serving.web.handler import ConflictError
from colisten.serving.web.metrics import Metrics
from colisten.serving.web.request_queue import QueueFullError
from colisten.serving.web.request_traces import RequestTraces
from colisten.settings import ServeSettings

_QUESTIONS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing; any other writes."""
_MAX_BODY_BYTES = 1024
"""Of a question: it comes as query parameters, and its body is not read."""
_MAX_WRITTEN_BYTES = 4 << 20
"""Of what is written: some ten thousand events."""
_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
_BEARER = HTTPBearer(auto_error=False, description="The key of `serve.write_key`, or that of `serve.api_key` to ask.")
KEY_IN_OPENAPI = Depends(_BEARER)
"""Says in the API's description how a key is sent; the middleware reads it, before any body."""
_HTTP = {
    404: "There is nothing at this path: /openapi.json lists what is.",
    405: "This path is not asked so: /openapi.json lists the methods of each.",
}
_STATUS: Mapping[type[ColistenError], int] = {SettingsError: 404, ConflictError: 409, QueueFullError: 503}


class GuardMiddleware:
    """Decides by method, path and headers who may ask and who may write, before a body is read; counts and times all
    requests, gives each an id, and a span where they are traced.

    `open_paths` are asked without a key. Whatever is asked otherwise than by GET writes, and takes the write key.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, options: ServeSettings, open_paths: Collection[str],
        traces: RequestTraces | None = None,
    ) -> None:  # fmt: skip
        self._app = app
        self._metrics = metrics
        self._traces = traces
        self._open_paths = open_paths
        self._hosts = _LOOPBACK if is_loopback(options.host) else None
        self._read_key, self._write_key = _bytes(options.api_key), _bytes(options.write_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        headers = Headers(scope=scope)
        request_id = request_ids.begin(headers)
        span = self._traces.begin(scope["method"], headers) if self._traces else None

        async def recording_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (request_ids.HEADER.encode(), request_id.encode())]
            await send(message)

        try:
            refusal = self._refusal(scope, headers)
            await (refusal or self._app)(scope, receive, recording_status)
        finally:
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.count(path, status, time.perf_counter() - began)
            if span:
                request_traces.end(span, scope["method"], path, status, request_id)

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        writes = scope["method"] not in _QUESTIONS
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal():
            return _error(413, "Say how long the body is, by Content-Length.")
        # DNS rebinding: a page elsewhere could point a name of its own at this address and read the answers.
        if self._hosts and re.sub(r":\d+$", "", headers.get("host", "")) not in self._hosts:
            return _error(403, "This server answers to localhost only: set serve.host to let others ask.")
        if writes and not any(route.matches(scope)[0] is Match.FULL for route in scope["app"].routes):
            return None  # the application has no such path, or says which methods it takes
        refusal = (
            self._write_refusal(scope["method"], headers) if writes else self._read_refusal(scope["path"], headers)
        )
        if refusal is None and int(length) > (_MAX_WRITTEN_BYTES if writes else _MAX_BODY_BYTES):
            most = f"{_MAX_WRITTEN_BYTES >> 20} MB at once may be written" if writes else "Questions come as parameters"
            return _error(413, f"{most}: send {'it in parts' if writes else 'no body'}.")
        return refusal

    def _read_refusal(self, path: str, headers: Headers) -> JSONResponse | None:
        if self._read_key is None or path in self._open_paths:
            return None
        return None if _sent_one_of(headers, self._read_key, self._write_key) else _unauthorised("server's key")

    def _write_refusal(self, method: str, headers: Headers) -> JSONResponse | None:
        if self._write_key is not None:
            if _sent_one_of(headers, self._write_key):
                return None
            if _sent_one_of(headers, self._read_key):
                return _error(403, "This key may ask, but not write: send that of serve.write_key.")
            return _unauthorised("key that may write")
        if self._read_key is not None:
            return _error(403, "Nothing can be written here: set a key for it (COLISTEN_SERVE_WRITE_KEY).")
        # A page elsewhere can have a browser post a form or a text to this machine, but nothing that says it is JSON.
        if method == "POST" and headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(403, "Without a key, what is posted says `Content-Type: application/json`.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            return _error(403, "Without a key, only this server's own page may write from a browser.")
        return None


def is_loopback(host: str) -> bool:
    """Is it an address that only this machine can reach?"""
    return host in {*_LOOPBACK, "::1"}


def _bytes(key: SecretStr | None) -> bytes | None:
    return None if key is None else key.get_secret_value().encode()


def _sent_one_of(headers: Headers, *keys: bytes | None) -> bool:
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    return any(key is not None and secrets.compare_digest(sent.strip().encode("latin-1"), key) for key in keys)


def _unauthorised(key: str) -> JSONResponse:
    return _error(401, f"Send the {key} as `Authorization: Bearer KEY`.", {"WWW-Authenticate": "Bearer"})


def errors_as_json(app: FastAPI) -> None:
    """Register handlers that make every error `{"error": "one sentence"}`."""

    @app.exception_handler(ColistenError)
    async def known(_: Request, error: ColistenError) -> JSONResponse:
        status = _STATUS.get(type(error), 503)
        return _error(status, str(error), {"Retry-After": "1"} if status == 503 else None)

    @app.exception_handler(BodyError)
    async def not_taken(_: Request, error: BodyError) -> JSONResponse:
        return _error(error.status, str(error))

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: RequestValidationError) -> JSONResponse:
        return _error(422, _sentence(error.errors()[0]))

    @app.exception_handler(StarletteHTTPException)
    async def http(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return _error(error.status_code, _HTTP.get(error.status_code, str(error.detail)), error.headers)

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> JSONResponse:
        # made outside of the middleware, which would have added the id
        found = request_ids.current()
        return _error(
            500,
            f"Something went wrong here: the server's own output says what, at [{found}].",
            {request_ids.HEADER: found},
        )


def _error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers)


def _sentence(first: Any) -> str:
    if first["type"] == "json_invalid":
        return "The body is no JSON."
    name = str(first["loc"][1]) if len(first["loc"]) > 1 else "request"
    if first["type"] == "extra_forbidden":
        return f"There is no parameter {name!r}: /openapi.json lists those of each path."
    return f"The parameter {name!r} cannot be used: {first['msg'][0].lower()}{first['msg'][1:]}."
