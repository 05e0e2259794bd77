"""One thread that does all the asking, so that the event loop never waits, and a bound on how many wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from colisten.errors import ColistenError
from colisten.serving.web.answers import Answers

R = TypeVar("R")


class BusyError(ColistenError):
    """More questions are waiting than may."""


class Desk:
    """Where questions are handed in; the embedded engine never lets go of the interpreter: more threads would queue."""

    def __init__(self, opening: Callable[[], Answers], waiting: int) -> None:
        self.waiting = 0
        self._most = waiting
        self._opening = opening
        self._answers: Answers | None = None
        self._thread = _thread()

    async def ask(self, question: Callable[[Answers], R]) -> R:
        """The answer, in turn.

        Raises:
            BusyError: too many are waiting already.
        """
        if self.waiting >= self._most:
            raise BusyError("Too many questions are waiting: ask again in a moment.")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Let what is asked be answered, then close; the next question opens all of it again."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        self._thread = _thread()

    def _answer(self, question: Callable[[Answers], R]) -> R:
        if self._answers is None:
            self._answers = self._opening()
        return question(self._answers)

    def _close(self) -> None:
        if self._answers:
            self._answers.close()
            self._answers = None


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "colisten-answers")
