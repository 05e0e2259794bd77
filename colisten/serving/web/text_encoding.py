"""The text encoder of a server: loaded by the first text that is to be encoded, on a thread of its own, so that other
answers do not wait for it, and a process that is asked of no text does without its gigabyte."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from colisten.arrays import Floats
from colisten.errors import SettingsError
from colisten.extras import is_installed, told_when_missing
from colisten.serving.web.request_queue import QueueFullError
from colisten.settings import TextSettings

if TYPE_CHECKING:
    from colisten.text.encoder import Encoder

_SECONDS_TO_RETRY = 60.0
"""After which one that could not be loaded is tried again: a model hub takes long to say that it has none."""


class TextEncoding:
    """Encodes texts one after the other."""

    def __init__(self, options: TextSettings, max_waiting: int) -> None:
        self._options = options
        self._max_waiting = max_waiting
        self._waiting = 0
        self._encoder: Encoder | None = None
        self._failure: SettingsError | None = None
        self._failed_at = 0.0
        self._thread = _thread()

    @property
    def available(self) -> bool:
        """Is an encoder installed, and none that could not be loaded a moment ago?"""
        return self._failure is None and is_installed("sentence_transformers", "torch")

    async def encode(self, text: str) -> Floats:
        """[width] of length 1.

        Raises:
            SettingsError: no encoder is installed, or it cannot be loaded.
            QueueFullError: too many texts are waiting already.
        """
        if self._waiting >= self._max_waiting:
            raise QueueFullError("Too many texts are waiting: ask again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, text)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let go of the thread; a later text starts another one."""
        self._thread.shutdown(cancel_futures=True)
        self._thread = _thread()

    def _encode(self, text: str) -> Floats:
        row: Floats = self._loaded().encode([text])[0]
        return row

    def _loaded(self) -> Encoder:
        if self._failure and time.monotonic() - self._failed_at < _SECONDS_TO_RETRY:
            raise self._failure
        if self._encoder is None:
            try:
                with told_when_missing():
                    from colisten.text.encoder import Encoder

                self._encoder = Encoder(self._options)
            except SettingsError as error:
                self._failure, self._failed_at = error, time.monotonic()
                raise
            self._failure = None
        return self._encoder


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "colisten-texts")
