"""Group commit of exposures: whoever waits for the disk meanwhile shares the next commit."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from colisten.serving.experiment.exposures import Exposure, ExposureLog


class ExposureQueue:
    """Logs exposures on a thread of its own, so that no other answer waits for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log: ExposureLog | None = None
        self._gathered: list[Exposure] = []
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "colisten-exposures")

    async def add(self, exposure: Exposure) -> None:
        """Return when the exposure is durable.

        Raises:
            WorkdirError, OutOfSpaceError: it is not.
        """
        self._gathered.append(exposure)
        if self._next is None:
            self._next = asyncio.create_task(self._commit())
        await asyncio.shield(self._next)

    async def close(self) -> None:
        """Finish what was begun, then close the log; a later exposure opens it again."""
        async with self._turn:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)

    async def _commit(self) -> None:
        async with self._turn:
            exposures, self._gathered, self._next = self._gathered, [], None
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, exposures)

    def _write(self, exposures: list[Exposure]) -> None:
        if self._log and not self._log.in_place:  # removed because it was damaged, or put back from a backup
            self._close()
        if self._log is None:
            self._log = ExposureLog.open(self._folder)
        self._log.add(exposures)

    def _close(self) -> None:
        if self._log:
            self._log.close()
            self._log = None
