"""Bounds on what callers can hold and write: connections, the time to ask or to read an answer, lines of the log.

uvicorn bounds requests that are complete; one that is never sent whole would hold its connection for ever.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from colisten.serving.web.request_ids import RequestIdFilter

MOST_CONNECTIONS = 400
SECONDS = 10.0
"""For a whole request, headers and body, to arrive; and for an answer to be taken."""
_LINES, _SECONDS_OF_LINES = 20, 60.0
_OTHER_FILES = 600
"""File descriptors left to the index, the graph, and the connections that are being taken or hung up on."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 where who does not ask in time is hung up on; where all places are taken, who has waited longest."""

    _waiting: ClassVar[dict[BoundedProtocol, None]] = {}
    """Connections without a whole request, longest first."""
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if (connection := transport.get_extra_info("socket")) and connection.family != socket.AF_UNIX:
            # Headers and body are two writes: Nagle's algorithm would hold the second back until the caller's delayed
            # acknowledgement of the first, 40 ms later.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > MOST_CONNECTIONS:
            next(iter(self._waiting), self)._hang_up()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._no_longer_waiting()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_longer_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread:
            self._unread.cancel()

    def _watch(self) -> None:
        """Begin to wait for a whole request, or end it; what comes drop by drop gains no time."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY) or self.transport.is_closing():
            self._no_longer_waiting()
        elif self not in self._waiting:
            self._waiting[self] = None
            self._deadline = self.loop.call_later(SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        self._no_longer_waiting()
        self.transport.abort()

    def _no_longer_waiting(self) -> None:
        self._waiting.pop(self, None)
        if self._deadline:
            self._deadline.cancel()


class RateFilter(logging.Filter):
    """Lets so many lines a minute through: whoever can provoke a line could fill the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._since = self._lines = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if time.monotonic() - self._since > _SECONDS_OF_LINES:
            self._since, self._lines = time.monotonic(), 0
        self._lines += 1
        return self._lines <= _LINES


OPTIONS: dict[str, Any] = {
    "http": BoundedProtocol,  # on h11, which bounds the request line and the headers
    "ws": "none",
    "lifespan": "on",
    "backlog": 100,  # as many are accepted at once, before any of them can be hung up on
    "access_log": False,  # it would tell who asked for what
    "log_level": "error",
    "server_header": False,
    "timeout_graceful_shutdown": 10,
}
"""How uvicorn runs."""


def bound_process() -> None:
    """Let this process have the files that its connections take, and keep its log short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    for name in ("asyncio", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.addFilter(RequestIdFilter())
        logger.addFilter(RateFilter())
