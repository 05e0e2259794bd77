"""Lookups in Neo4j on a thread of their own: one that is slow, or frozen, holds up no other answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import TypeVar

from colisten.errors import GraphError
from colisten.serving.why.path_finder import Evidence, PathFinder
from colisten.settings import Settings
from colisten.workdir import Workdir

R = TypeVar("R")
_SECONDS = 10.0
_MOMENT = 0.5
_SECONDS_TO_RETRY = 30.0


class GraphLookups:
    """A path finder that is reconnected after a while where Neo4j was not available."""

    def __init__(self, workdir: Workdir, settings: Settings) -> None:
        self._workdir, self._settings = workdir, settings
        self._path_finder: PathFinder | None = None
        self._tried_at = -inf
        self._began: float | None = None
        """When the lookup that runs now began."""
        self._thread = _thread()

    async def run(self, call: Callable[[PathFinder], R], seconds: float = _SECONDS) -> R:
        """The result of `call`, made by the thread.

        Raises:
            GraphError: there is none in time; while a lookup hangs, at once.
        """
        if self._hangs():
            raise _no_answer()
        made = asyncio.get_running_loop().run_in_executor(self._thread, self._call, call)
        if not (await asyncio.wait([made], timeout=seconds))[0]:
            made.cancel()
            raise _no_answer()
        return made.result()

    async def evidence(self, heard: Sequence[int], wanted: Sequence[int]) -> Evidence:
        """What the graph says; nothing, and why, without an answer in time."""
        try:
            return await self.run(lambda path_finder: path_finder.evidence(heard, wanted))
        except GraphError as error:
            return Evidence(unavailable=str(error))

    async def available(self) -> bool:
        """Whether the graph can be asked; what is being asked now is not waited for."""
        try:
            return await self.run(lambda path_finder: path_finder.unavailable is None, seconds=_MOMENT)
        except GraphError:
            found = self._path_finder
            return found is not None and found.unavailable is None and not self._hangs()

    def close(self) -> None:
        """Hang up, on a lookup that hangs too; a later one connects again."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._path_finder:
            self._path_finder.close()
        self._path_finder, self._tried_at, self._thread = None, -inf, _thread()

    def _hangs(self) -> bool:
        return self._began is not None and time.monotonic() - self._began > _SECONDS

    def _call(self, call: Callable[[PathFinder], R]) -> R:
        self._began = time.monotonic()
        try:
            return call(self._connected())
        finally:
            self._began = None

    def _connected(self) -> PathFinder:
        found = self._path_finder
        if found is None or (found.unavailable and time.monotonic() - self._tried_at > _SECONDS_TO_RETRY):
            if found:
                found.close()
            self._tried_at = time.monotonic()
            self._path_finder = found = PathFinder.open(self._workdir, self._settings)
        return found


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "colisten-graph")


def _no_answer() -> GraphError:
    return GraphError(f"Neo4j has not answered for {_SECONDS:g} seconds: see that it is well, and ask again.")
