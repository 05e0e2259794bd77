"""A bounded queue of requests, handled by one worker thread so that the event loop never blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from colisten.errors import ColistenError
from colisten.serving.index.collection import SilentServerError
from colisten.serving.web.handler import RequestHandler

R = TypeVar("R")
_SECONDS_OF_SILENCE = 5.0
"""For which a server that was silent is not asked again: whoever waits behind would wait as long."""


class QueueFullError(ColistenError):
    """More requests are waiting than the queue holds, or than are answered in time."""


class RequestQueue:
    """Runs calls of a `RequestHandler` one at a time, in the order of arrival; says how many wait to `on_change`.

    One thread: the embedded engine holds the GIL while it searches, and SQLite connections belong to a thread.
    """

    def __init__(
        self, open_handler: Callable[[], RequestHandler], max_waiting: int, on_change: Callable[[int], None]
    ) -> None:
        self.waiting = 0
        self._on_change = on_change
        self._max_waiting = max_waiting
        self._open_handler = open_handler
        self._handler: RequestHandler | None = None
        self._silence = ""
        self._silent_until = 0.0
        self._thread = _thread()

    async def run(self, call: Callable[[RequestHandler], R], seconds: float | None = None) -> R:
        """The result of `call`, which the worker thread makes with the handler, in so many `seconds` if there is a
        bound.

        Raises:
            QueueFullError: too many requests are waiting already, or there is no result in time.
            SilentServerError: the index is on a server that was silent a moment ago.
        """
        if self.waiting >= self._max_waiting:
            raise QueueFullError("Too many questions are waiting: ask again in a moment.")
        self._count(1)
        try:
            made = asyncio.get_running_loop().run_in_executor(self._thread, self._call, call)
            if not (await asyncio.wait([made], timeout=seconds))[0]:
                made.cancel()
                raise QueueFullError("The questions before this one take long: ask again in a moment.")
            return made.result()
        finally:
            self._count(-1)

    async def close(self) -> None:
        """Handle what is waiting, then close the handler; a later request opens a new one."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        self._thread = _thread()

    def _count(self, more: int) -> None:
        self.waiting += more
        self._on_change(self.waiting)

    def _call(self, call: Callable[[RequestHandler], R]) -> R:
        if time.monotonic() < self._silent_until:
            raise SilentServerError(self._silence)
        try:
            if self._handler is None:
                self._handler = self._open_handler()
            return call(self._handler)
        except SilentServerError as error:
            self._silence, self._silent_until = str(error), time.monotonic() + _SECONDS_OF_SILENCE
            raise

    def _close(self) -> None:
        if self._handler:
            self._handler.close()
            self._handler = None


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "colisten-requests")
