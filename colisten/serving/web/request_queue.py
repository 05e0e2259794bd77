"""A bounded queue of requests, handled by one worker thread so that the event loop never blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from colisten.errors import ColistenError
from colisten.serving.web.handler import RequestHandler

R = TypeVar("R")


class QueueFullError(ColistenError):
    """More requests are waiting than the queue holds."""


class RequestQueue:
    """Runs calls of a `RequestHandler` one at a time, in the order of arrival.

    One thread: the embedded engine holds the GIL while it searches, and SQLite connections belong to a thread.
    """

    def __init__(self, open_handler: Callable[[], RequestHandler], max_waiting: int) -> None:
        self.waiting = 0
        self._max_waiting = max_waiting
        self._open_handler = open_handler
        self._handler: RequestHandler | None = None
        self._thread = _thread()

    async def run(self, call: Callable[[RequestHandler], R]) -> R:
        """The result of `call`, which the worker thread makes with the handler.

        Raises:
            QueueFullError: too many requests are waiting already.
        """
        if self.waiting >= self._max_waiting:
            raise QueueFullError("Too many questions are waiting: ask again in a moment.")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._call, call)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Handle what is waiting, then close the handler; a later request opens a new one."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        self._thread = _thread()

    def _call(self, call: Callable[[RequestHandler], R]) -> R:
        if self._handler is None:
            self._handler = self._open_handler()
        return call(self._handler)

    def _close(self) -> None:
        if self._handler:
            self._handler.close()
            self._handler = None


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "colisten-requests")
