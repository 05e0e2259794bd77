"""Group commit: what many requests write at once goes to the disk together, and each is answered afterwards."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from colisten.errors import SettingsError
from colisten.serving.events.intake import EventIntake
from colisten.serving.web.request_queue import QueueFullError

R = TypeVar("R")
_Call = tuple[Callable[[EventIntake], Any], "Future[Any]"]
_MOST_WAITING = 1000


class GroupCommit:
    """Runs calls of an `EventIntake` on one thread; those that wait for the disk share the next transaction."""

    def __init__(self, open_intake: Callable[[], EventIntake]) -> None:
        self._open_intake = open_intake
        self._waiting: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[[EventIntake], R]) -> R:
        """The result of `call`, once what it wrote is on the disk.

        Raises:
            QueueFullError: too many wait already.
            WorkdirError, OutOfSpaceError: nothing was written.
        """
        if self._waiting.qsize() >= _MOST_WAITING:
            raise QueueFullError("Too many events are waiting: send them again in a moment, more of them at a time.")
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="colisten-events")
            self._thread.start()
        future: Future[R] = Future()
        self._waiting.put((call, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Write what is waiting, then close the log; a later call opens it again."""
        if self._thread:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        intake: EventIntake | None = None
        try:
            while (first := self._waiting.get()) is not None:
                calls, last = self._with_those_behind(first)
                wanted = [(call, future) for call, future in calls if future.set_running_or_notify_cancel()]
                try:
                    intake = intake or self._open_intake()
                    outcomes = _together(intake, [call for call, _ in wanted])
                except Exception as error:
                    outcomes = [error] * len(wanted)
                for (_, future), outcome in zip(wanted, outcomes, strict=True):
                    if isinstance(outcome, Exception):
                        future.set_exception(outcome)
                    else:
                        future.set_result(outcome)
                if last:
                    return
        finally:
            if intake:
                intake.close()

    def _with_those_behind(self, first: _Call) -> tuple[list[_Call], bool]:
        """All calls that wait now, and whether nothing comes behind them."""
        calls = [first]
        while not self._waiting.empty():
            call = self._waiting.get()
            if call is None:
                return calls, True
            calls.append(call)
        return calls, False


def _together(intake: EventIntake, calls: list[Callable[[EventIntake], Any]]) -> list[Any]:
    """Results, or the error of a call that was refused before it wrote anything."""
    outcomes: list[Any] = []
    with intake.transaction():
        for call in calls:
            try:
                outcomes.append(call(intake))
            except SettingsError as error:
                outcomes.append(error)
    return outcomes
