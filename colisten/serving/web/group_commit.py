"""Group commit: what many requests write at once goes to the disk together, and each is answered afterwards."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

from colisten.errors import SettingsError
from colisten.serving.web.request_queue import QueueFullError

_MOST_WAITING = 1000


class Log(Protocol):
    """What calls write to."""

    def transaction(self) -> AbstractContextManager[None]:
        """What is written within the block is on the disk when it ends, or nothing of it is kept."""

    def close(self) -> None: ...


R = TypeVar("R")
L = TypeVar("L", bound=Log)
_Call = tuple[Callable[[L], Any], "asyncio.Future[Any]"]


class GroupCommit(Generic[L]):
    """Runs calls of an open log on one thread; those that wait for the disk share the next transaction."""

    def __init__(self, open_log: Callable[[], L], what: str) -> None:
        """`what` is written, in a word, for errors and the thread's name."""
        self._open_log = open_log
        self._what = what
        self._waiting: queue.SimpleQueue[_Call[L] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[[L], R]) -> R:
        """The result of `call`, once what it wrote is on the disk.

        Raises:
            QueueFullError: too many wait already.
            WorkdirError, OutOfSpaceError: nothing was written.
        """
        if self._waiting.qsize() >= _MOST_WAITING:
            raise QueueFullError(
                f"Too many {self._what} are waiting: send them again in a moment, more of them at a time."
            )
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"colisten-{self._what}")
            self._thread.start()
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.put((call, future))
        return await future

    def close(self) -> None:
        """Write what is waiting, then close the log; a later call opens it again."""
        if self._thread:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        log: L | None = None
        try:
            while (first := self._waiting.get()) is not None:
                calls, last = self._with_those_behind(first)
                wanted = [(call, future) for call, future in calls if not future.cancelled()]
                try:
                    log = log or self._open_log()
                    outcomes = _together(log, [call for call, _ in wanted])
                except Exception as error:
                    outcomes = [error] * len(wanted)
                settled = [(future, outcome) for (_, future), outcome in zip(wanted, outcomes, strict=True)]
                first[1].get_loop().call_soon_threadsafe(_settle, settled)  # wakes the event loop once for all of them
                if last:
                    return
        finally:
            if log:
                log.close()

    def _with_those_behind(self, first: _Call[L]) -> tuple[list[_Call[L]], bool]:
        """All calls that wait now, and whether nothing comes behind them."""
        calls = [first]
        while not self._waiting.empty():
            call = self._waiting.get()
            if call is None:
                return calls, True
            calls.append(call)
        return calls, False


def _settle(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in settled:
        if future.done():  # whoever waited has gone
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _together(log: L, calls: list[Callable[[L], Any]]) -> list[Any]:
    """Results, or the error of a call that was refused before it wrote anything."""
    outcomes: list[Any] = []
    with log.transaction():
        for call in calls:
            try:
                outcomes.append(call(log))
            except SettingsError as error:
                outcomes.append(error)
    return outcomes
