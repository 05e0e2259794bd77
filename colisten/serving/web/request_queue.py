"""One thread that does all the asking, so that the event loop never waits, and a bound on how many wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from colisten.errors import ColistenError
from colisten.serving.web.handler import RequestHandler

R = TypeVar("R")


class QueueFullError(ColistenError):
    """More questions are waiting than may."""


class Desk:
    """Where questions are handed in; the embedded engine never lets go of the interpreter: more threads would queue."""

    def __init__(self, opening: Callable[[], RequestHandler], waiting: int) -> None:
        self.waiting = 0
        self._most = waiting
        self._open = opening
        self._answers: RequestHandler | None = None
        self._thread = _thread()

    async def ask(self, call: Callable[[RequestHandler], R]) -> R:
        """The answer, in turn.

        Raises:
            QueueFullError: too many are waiting already.
        """
        if self.waiting >= self._most:
            raise QueueFullError("Too many questions are waiting: ask again in a moment.")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, call)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Let what is asked be answered, then close; the next question opens all of it again."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        self._thread = _thread()

    def _answer(self, call: Callable[[RequestHandler], R]) -> R:
        if self._answers is None:
            self._answers = self._open()
        return call(self._answers)

    def _close(self) -> None:
        if self._answers:
            self._answers.close()
            self._answers = None


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "colisten-answers")
