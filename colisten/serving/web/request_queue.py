"""A bounded queue of requests, handled by one worker thread so that the event loop never blocks."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from colisten.errors import ColistenError
from colisten.serving.index.collection import SilentServerError
from colisten.serving.web.handler import Answered, RequestHandler
from colisten.serving.web.requests import RecommendRequest

R = TypeVar("R")
Asked = tuple[RecommendRequest, "asyncio.Future[Answered]"]
_TOGETHER = 16
"""Requests at most that one search answers: with 250,000 items it takes four times as long as of one
(`benchmarks/serve.py`)."""
_SECONDS_OF_SILENCE = 5.0
"""For which a server that was silent is not asked again: whoever waits behind would wait as long."""


class QueueFullError(ColistenError):
    """More requests are waiting than the queue holds, or than are answered in time."""


class RequestQueue:
    """Runs calls of a `RequestHandler` one at a time, in the order of arrival; says how many wait to `on_change`.

    One thread: the embedded engine holds the GIL while it searches, and SQLite connections belong to a thread. One
    event loop: that of the application.
    """

    def __init__(
        self, open_handler: Callable[[], RequestHandler], max_waiting: int, on_change: Callable[[int], None]
    ) -> None:
        self.waiting = 0
        self._on_change = on_change
        self._max_waiting = max_waiting
        self._open_handler = open_handler
        self._handler: RequestHandler | None = None
        self._asked: deque[Asked] = deque()
        self._answering: asyncio.Task[None] | None = None
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
        with self._place():
            made = self._submit(call)
            if not (await asyncio.wait([made], timeout=seconds))[0]:
                made.cancel()
                raise QueueFullError("The questions before this one take long: ask again in a moment.")
            return made.result()

    async def recommend(self, request: RecommendRequest) -> Answered:
        """Like `run` of the handler's `recommend`, by one search with those that wait and ask the same of other users.

        Raises:
            QueueFullError, SilentServerError: see `run`.
        """
        with self._place():
            answered: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            self._asked.append((request, answered))
            if self._answering is None or self._answering.done():
                self._answering = asyncio.create_task(self._answer())
            return await answered

    async def close(self) -> None:
        """Handle what is waiting, then close the handler; a later request opens a new one."""
        if self._answering:
            await self._answering
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        self._thread = _thread()

    async def _answer(self) -> None:
        """Answer all that wait for recommendations, those that ask the same together."""
        while alike := self._alike():
            requests = [request for request, _ in alike]
            (made,), _ = await asyncio.wait([self._submit(partial(_recommend, requests))])
            error = made.exception()
            for place, (_, answered) in enumerate(alike):
                if answered.cancelled():  # whoever asked has hung up
                    continue
                if error:
                    answered.set_exception(error)
                else:
                    answered.set_result(made.result()[place])
            if self._asked:
                await asyncio.sleep(0)  # these are sent, and others read, before a search holds the GIL again

    def _alike(self) -> list[Asked]:
        """The request that waits longest, and others that ask the same."""
        found: list[Asked] = []
        others: list[Asked] = []
        while self._asked and len(found) < _TOGETHER:
            one = self._asked.popleft()
            what = one[0].asked_of_anybody
            (found if not found or (what and what == found[0][0].asked_of_anybody) else others).append(one)
        self._asked.extendleft(reversed(others))
        return found

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A place in the queue.

        Raises:
            QueueFullError: there is none.
        """
        if self.waiting >= self._max_waiting:
            raise QueueFullError("Too many questions are waiting: ask again in a moment.")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self.waiting += more
        self._on_change(self.waiting)

    def _submit(self, call: Callable[[RequestHandler], R]) -> asyncio.Future[R]:
        return asyncio.get_running_loop().run_in_executor(self._thread, self._call, call)

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


def _recommend(requests: Sequence[RecommendRequest], handler: RequestHandler) -> list[Answered]:
    return handler.recommend(requests)


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "colisten-requests")
