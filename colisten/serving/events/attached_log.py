"""The log of events attached to the connection that reads the profiles, so that one query may join both."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from colisten.errors import ColistenError
from colisten.listening.events.store import log_errors


class AttachedLog:
    """`W/events.sqlite` by the name `recent`, from the moment on at which there is one."""

    def __init__(self, path: Path, profiles: sqlite3.Connection) -> None:
        self._path = path
        self._connection = profiles
        self._attached = False

    def exists(self) -> bool:
        """Whether there is a log by now; the first event makes it.

        Raises:
            WorkdirError: it is damaged.
        """
        if not self._attached and self._path.exists():
            self._attach()
            self._attached = True
        return self._attached

    def all(self, query: str, **parameters: str | int) -> list[tuple[Any, ...]]:
        """All rows of a query on the tables of the log (`recent.NAME`) and of the profiles.

        Raises:
            WorkdirError: the log is damaged.
        """
        with log_errors(self._path).told():
            return self._connection.execute(query, parameters).fetchall()

    def _attach(self) -> None:
        """In a folder that may not be written, beside whoever writes it, or else as the file lies there: its companions
        cannot be made."""
        if os.access(self._path.parent, os.W_OK):
            self._open("mode=rw")
            return
        try:
            self._open("mode=ro")
        except ColistenError:
            with suppress(ColistenError):
                self.all("DETACH recent")
            self._open("immutable=1")

    def _open(self, how: str) -> None:
        self.all("ATTACH :path AS recent", path=f"{self._path.absolute().as_uri()}?{how}")
        self.all("SELECT 1 FROM recent.events LIMIT 1")
